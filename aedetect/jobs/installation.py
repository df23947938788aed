"""What an installation is like: versions, space, and what a configuration refers to."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.data import find_files
from aedetect.errors import AedetectError
from aedetect.jobs.findings import GRADES, Grade
from aedetect.jobs.value_outputs import champions_of_values
from aedetect.registry import list_versions
from aedetect.registry.session import is_absent

if TYPE_CHECKING:
    from aedetect.config import Config

PACKAGES = ("aedetect", "torch", "mlflow", "prefect", "duckdb", "pyarrow", "numpy")
PYTHONS = ((3, 11), (3, 14))  # supported: from, and below
_LITTLE = 2_000_000_000  # bytes free, below which a training may have no room for its rows


@dataclass(frozen=True)
class Condition:
    """One thing that was looked at."""

    grade: Grade
    subject: str
    text: str


def worst_of(conditions: Iterable[Condition]) -> Grade:
    """Return the worst grade; `ok` without conditions."""
    return min((each.grade for each in conditions), key=GRADES.index, default="ok")


def check_installation() -> Iterator[Condition]:
    """Yield findings about Python, packages and the space for temporary files."""
    python = platform.python_version()
    supported = PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]
    text = python if supported else f"{python}: aedetect needs Python 3.11, 3.12 or 3.13"
    yield Condition("ok" if supported else "refuse", "Python", text)
    for name in PACKAGES:
        try:
            yield Condition("ok", name, version(name))
        except PackageNotFoundError:
            yield Condition("refuse", name, f"is not installed: pip install {name}")
    yield _space("temporary files", Path(tempfile.gettempdir()))


def check_references(config: Config) -> Iterator[Condition]:
    """Yield findings about what a configuration refers to: data, output, registry."""
    yield _data(config, "train", config.train)
    if config.scoring.input:
        yield _data(config, "input", config.input)
    output = config.output
    if "://" not in str(output):
        existing = next(each for each in (output, *output.parents) if each.exists())
        if os.access(existing, os.W_OK):
            yield _space("output", existing)
        else:
            text = f"{existing} cannot be written: grant access, or set [scoring] output"
            yield Condition("refuse", "output", text)
    yield _registry(config)


def _data(config: Config, what: str, locations: tuple[str, ...]) -> Condition:
    try:
        found = find_files(locations, timestamp=config.data.timestamp)
    except AedetectError as error:
        return Condition("refuse", what, str(error))
    rows = sum(file.rows for file in found.files)
    lost = len(found.quarantined)
    grade: Grade = "look" if lost else "ok"
    more = f", {lost:,} cannot be read: {found.quarantined[0]}" if lost else ""
    return Condition(grade, what, f"{len(found.files):,} files, {rows:,} rows{more}")


def _registry(config: Config) -> Condition:
    """Return whether the registry answers, and what it has of the detector."""
    try:
        if is_absent(config.tracking_uri):
            text = "not there yet: the first training makes it"
            return Condition("ok", "registry", text)
        if config.detector.by is not None:
            number = len(champions_of_values(config))
            return Condition("ok", "registry", f"answers; {number:,} detectors of {config.name}")
        versions = list_versions(name=config.name, tracking_uri=config.tracking_uri)
    except AedetectError as error:
        return Condition("refuse", "registry", str(error))
    if not versions:
        return Condition("ok", "registry", f"answers; no version of {config.name} yet")
    champion = [each.reference for each in versions if "champion" in each.aliases]
    text = f"answers; {len(versions):,} version{'s' * (len(versions) > 1)} of {config.name}"
    if not champion:
        return Condition("look", "registry", f"{text}, none is the champion: promote one")
    return Condition("ok", "registry", f"{text}, {champion[0]} scores")


def _space(what: str, folder: Path) -> Condition:
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:,.0f} GB free in {folder}"
    if free >= _LITTLE:
        return Condition("ok", what, text)
    return Condition("look", what, f"{text}: free space, or set TMPDIR for temporary files")
