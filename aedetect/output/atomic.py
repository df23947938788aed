"""Write aside, rename; footers say what a file was made from."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.errors import AedetectError, OutputError
from aedetect.output.filesystem import forget_listings, is_remote, upload

FOOTER_KEY = b"aedetect"
PART = "part-0.parquet"  # the one file of a partition
_ASIDE = ".aside"
# Clients of object storage, whose errors are relatives of no other.
_CLIENTS = {"aiohttp", "azure", "botocore", "gcsfs"}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an output file was made from. No clock time, no random name."""

    model_name: str
    model_version: int
    calibration_version: int
    config_hash: str
    lookback: int  # ns before the partition from which input rows count
    lookahead: int = 0  # ns after the partition up to which they do
    max_gap: int  # ns, longest step inside a window: flags further apart are not one stretch
    inputs: Mapping[str, str]  # name of the input file -> fingerprint

    def footer(self) -> dict[bytes, bytes]:
        """Write it as Parquet key-value metadata."""
        return {FOOTER_KEY: json.dumps(asdict(self), sort_keys=True).encode()}


def read_origin(path: Path) -> Origin:
    """Read what an output file was made from; raise OutputError when it does not say."""
    return read_marks(path)[0]


def read_marks(path: Path) -> tuple[Origin, Mapping[bytes, bytes]]:
    """Read what an output file was made from, and all that its footer says.

    Raises OutputError when it does not say what it was made from.
    """
    try:
        with path.open("rb") as stream:
            metadata = pq.read_metadata(stream).metadata or {}
        return Origin(**json.loads(metadata[FOOTER_KEY])), metadata
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise OutputError(
            f"{path} was not written by aedetect or is damaged: move it away, or choose another "
            "[scoring] output"
        ) from error


@contextmanager
def written(what: Path) -> Iterator[None]:
    """Turn what the operating system, or the object storage, says of a failure into OutputError."""
    try:
        yield
    except AedetectError:
        raise
    except Exception as error:
        foreign = type(error).__module__.partition(".")[0] in _CLIENTS
        if not isinstance(error, OSError) and not foreign:
            raise
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"{what} cannot be written ({reason}): free space or grant access and run again; files "
            "written before are whole"
        ) from error


@contextmanager
def aside(output: Path) -> Iterator[Path]:
    """Give a folder to write into before renaming; it goes away at the end.

    It is locked while in use. The lock ends with the process, however it ends, so `sweep` can tell
    what a killed run left behind from what another run is writing. For object storage it is a
    temporary folder of this machine, from which files are uploaded.
    """
    if is_remote(output):
        with tempfile.TemporaryDirectory(prefix="aedetect-") as name:
            yield Path(name)
        return
    with written(output):
        folder, lock = _locked_folder(output / _ASIDE)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        with suppress(OSError):
            (output / _ASIDE).rmdir()


def sweep(output: Path) -> None:
    """Remove what killed runs left behind, and forget what is remembered of the folder."""
    if is_remote(output):
        forget_listings(output)
        return
    with suppress(OSError):  # nothing was left, or another run sweeps too
        for folder in list((output / _ASIDE).iterdir()):
            _remove_unlocked(folder)
        (output / _ASIDE).rmdir()


@contextmanager
def locked(output: Path, *, alone: bool) -> Iterator[None]:
    """Hold the output folder alone, or with others that put files in place.

    Who forms events reads what is there and replaces it: nothing may change in between. Object
    storage has no locks: there one run at a time is what the schedule keeps.
    """
    if is_remote(output):
        yield
        return
    with written(output):
        handle = os.open(output, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def updating(folder: Path) -> Iterator[None]:
    """Hold a folder below the output alone while a file of it is read, changed and written again.

    So that what two processes add at once is all kept. On object storage the last one wins.
    """
    if not is_remote(folder):
        with written(folder):
            folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, alone=True):
        yield


def publish(source: Path, target: Path) -> None:
    """Move a finished file to its place in one step, and see that the move is on the disk."""
    if is_remote(target):
        upload(source, target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    _sync_folder(target.parent)


def withdraw(target: Path, *, root: Path) -> None:
    """Remove a file and the folders up to the root that it leaves empty."""
    target.unlink(missing_ok=True)
    if is_remote(root):  # has no folders
        return
    folder = target.parent
    with suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """Make a folder and lock it; try again when a sweep took it in between."""
    while True:
        folder = parent / uuid.uuid4().hex
        try:
            folder.mkdir(parents=True)
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder, lock
        os.close(lock)


def _remove_unlocked(folder: Path) -> None:
    """Remove a folder unless a run holds it."""
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
