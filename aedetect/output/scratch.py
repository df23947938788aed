"""Folders for what is not published yet, locked while their process lives.

The lock of a killed process ends with it: so what it left can be told from what is in use.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from aedetect.output.atomic import written
from aedetect.output.filesystem import forget_listings, is_remote

_ASIDE = ".aside"
_TEMPORARY = "aedetect-locked-"


@contextmanager
def aside(output: Path) -> Iterator[Path]:
    """Yield a folder to write to before renaming; it is removed at the end.

    The folder is locked while in use. The lock ends with the process, even if it is killed, so that
    `sweep` can distinguish leftovers of a killed run from files that another run is writing. For
    object storage it is a local temporary folder, from which files are uploaded.
    """
    if is_remote(output):
        with temporary_folder() as folder:
            yield folder
        return
    with written(output):
        folder, lock = _locked(lambda: _made(output / _ASIDE))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        with suppress(OSError):
            (output / _ASIDE).rmdir()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder of this machine, which is removed at the end.

    Of a killed process it is removed by the next one that needs such a folder: all that aedetect
    writes to the folder for temporary files is in one.
    """
    _sweep_temporary(Path(tempfile.gettempdir()), os.getpid())
    folder, lock = _locked(lambda: Path(tempfile.mkdtemp(prefix=_TEMPORARY)))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@cache
def _sweep_temporary(root: Path, _process: int) -> None:
    """Remove what killed processes have left in a folder, once in each process."""
    with suppress(OSError):
        for folder in root.glob(f"{_TEMPORARY}*"):
            _remove_unlocked(folder)


def sweep(output: Path) -> None:
    """Remove the leftovers of killed runs, and clear cached listings of the folder."""
    if is_remote(output):
        forget_listings(output)
        return
    with suppress(OSError):  # there are no leftovers, or another run sweeps too
        for folder in list((output / _ASIDE).iterdir()):
            _remove_unlocked(folder)
        (output / _ASIDE).rmdir()


def _locked(make: Callable[[], Path]) -> tuple[Path, int]:
    """Make a folder and lock it; retry if a sweep removed it in between.

    Children that are forked hold the lock as well. Where nothing can be locked, as in some network
    folders, no sweep takes it for left, because it cannot lock it either.
    """
    while True:
        try:
            folder = make()
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder, lock
        os.close(lock)


def _made(parent: Path) -> Path:
    """Make a folder with a random name."""
    folder = parent / uuid.uuid4().hex
    folder.mkdir(parents=True)
    return folder


def _remove_unlocked(folder: Path) -> None:
    """Remove a folder of this user unless a run has locked it: on any pid, in any container."""
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(lock).st_uid != os.geteuid():
                return
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
