"""What a worker must have in common with the process that runs the job, looked at beforehand.

The same path may be another folder on another machine: so the process that runs the job leaves a
file with a random name in the output, and each worker reads it and writes one beside it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aedetect.data import SourceFile
from aedetect.data.sources import open_file
from aedetect.output import aside, written
from aedetect.output.filesystem import is_remote

# Their versions decide the bytes of the output.
_PACKAGES = ("aedetect", "torch", "numpy", "pyarrow", "duckdb")
_MOST_FILES = 20  # of the input, one of each folder
_PLACE = ".aside"


@dataclass(frozen=True)
class Probe:
    """What each worker has to find."""

    output: Path
    place: Path  # a folder below the output, with the file `mark`
    mark: str
    inputs: tuple[tuple[str, int | None], ...]  # path and size in bytes, where known
    versions: Mapping[str, str]


@contextmanager
def probe_for(output: Path, files: Iterable[SourceFile]) -> Iterator[Probe]:
    """Leave a file in the output that workers must find; it is removed at the end."""
    mark = uuid.uuid4().hex
    with aside(output) as folder:  # locked: another run does not sweep it
        place = output / _PLACE if is_remote(output) else folder
        with written(output):
            (place / mark).write_text(mark)
        try:
            yield Probe(output, place, mark, _sampled(files), installed_versions())
        finally:
            if is_remote(output):
                (place / mark).unlink(missing_ok=True)


def find_obstacle(probe: Probe) -> str | None:
    """Return what keeps this process from computing partitions, and the remedy; None if nothing."""
    for name, wanted in probe.versions.items():
        if (found := installed_versions()[name]) != wanted:
            return f"has {name} {found}, and this process {wanted}: install the same versions"
    return _output_obstacle(probe) or _input_obstacle(probe)


def installed_versions() -> dict[str, str]:
    """Return the versions of what decides the bytes; builds such as +cpu are not told apart."""
    return {name: _version(name).partition("+")[0] for name in _PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _output_obstacle(probe: Probe) -> str | None:
    beside = probe.place / f"{probe.mark}-{uuid.uuid4().hex}"
    todo = f"mount the folder of [scoring] output there at the same path ({probe.output})"
    if is_remote(probe.output):
        todo = "give it the endpoint and credentials of the storage"
    try:
        if (probe.place / probe.mark).read_text() != probe.mark:
            return f"sees another folder as {probe.output}: {todo}"
        beside.write_text(probe.mark)
        beside.unlink()
    except FileNotFoundError:
        return f"does not see the files of {probe.output}: {todo}"
    except Exception as error:  # clients of object storage have errors of their own
        reason = getattr(error, "strerror", None) or error
        return f"cannot read and write {probe.output} ({reason}): grant access, or {todo}"
    return None


def _input_obstacle(probe: Probe) -> str | None:
    for path, size in probe.inputs:
        todo = "make [scoring] input readable there under the same path or URL"
        try:
            with open_file(path) as stream:
                own = stream.seek(0, os.SEEK_END)
        except Exception as error:
            reason = getattr(error, "strerror", None) or error
            return f"cannot read the input file {path} ({reason}): {todo}"
        if size is not None and own != size:
            return f"sees another file as {path} ({own:,} bytes instead of {size:,}): {todo}"
    return None


def _sampled(files: Iterable[SourceFile]) -> tuple[tuple[str, int | None], ...]:
    """Return one file of each folder."""
    first: dict[str, SourceFile] = {}
    for file in files:
        first.setdefault(file.path.rpartition("/")[0], file)
        if len(first) == _MOST_FILES:
            break
    return tuple(
        (file.path, None if file.signature is None else file.signature.size)
        for file in first.values()
    )
