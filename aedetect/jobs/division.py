"""The data of `[detector] by`, divided by the values of its column: a folder of files for each.

A file whose rows all have one value is linked to; any other is read once, and written as a file
for each value, with the rows in their order, and again when it changes. What is divided is below
the output, takes the disk what those files take, and may be removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.config.values import divided_folder, value_key
from aedetect.data.discovery import locate_sources
from aedetect.data.file_stat import Signature
from aedetect.data.listing import unseen_names
from aedetect.data.value_split import SplitFile, only_value, split_file
from aedetect.errors import ConfigError
from aedetect.jobs.output_place import check_output
from aedetect.output import written
from aedetect.output.atomic import updating

if TYPE_CHECKING:
    from aedetect.config import Config

_INDEX = "index.json"
_MOST_NOTES = 20


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A file that was divided."""

    path: str
    signature: list[int]
    rows: dict[str, int] = field(default_factory=dict)  # by value
    without: int = 0  # rows without a value
    pieces: list[str] = field(default_factory=list)  # below the folder of the divided data
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Divided:
    """Rows and files of each value, in the order of the values, and what no detector takes."""

    rows: Mapping[str, int]
    files: Mapping[str, int]
    notes: tuple[str, ...]


def divide_training(config: Config) -> Divided:
    """Divide the training data, and what is scored where a detector learns from it too."""
    check_output(config)
    if config.training.window is not None and config.scoring.input:
        divide_input(config)
    return _divide(config, config.train, is_input=_is_same(config))


def divide_input(config: Config) -> Divided:
    """Divide the data to score."""
    check_output(config)
    return _divide(config, config.input, is_input=True)


def refresh_division(config: Config) -> None:
    """Divide the data anew for a configuration of one value that was read alone."""
    if config.whole is not None:
        divide_training(config.whole)
        if config.scoring.input and not _is_same(config.whole):
            divide_input(config.whole)


def _is_same(config: Config) -> bool:
    return bool(config.scoring.input) and config.train == config.input


def _divide(config: Config, locations: Sequence[str], *, is_input: bool) -> Divided:
    by = config.detector.by
    assert by is not None
    to = divided_folder(config) / ("input" if is_input else "train")
    located = locate_sources(locations)
    remote = next((path for path, _ in located.files if "://" in path), None)
    if remote is not None:
        raise ConfigError(
            f"[detector] by needs data on a disk, got {remote}: copy it there, or write one "
            "configuration for each value"
        )
    folders = [name for _, name in located.files if name.endswith("/")]
    files = [(path, name) for path, name in located.files if not name.endswith("/")]
    with written(to), updating(to):
        before = _read_index(to, by)
        gone = before.keys() - {name for _, name in files}
        kept = {name: before[name] for name in unseen_names(gone, folders)}
        now = {name: _settled(path, name, by, before.get(name), to) for path, name in files} | kept
        stale = {piece for each in before.values() for piece in each.pieces}
        for piece in stale - {piece for each in now.values() for piece in each.pieces}:
            _remove(to, piece)
        if now != before:
            _write_index(to, by, now)
    notes = [f"{name} cannot be listed: its files stay as they were" for name in folders]
    notes += [f"{name} {why}: passed over" for name, why in located.passed_over]
    return _summed(now, [*notes, *_notes(now, by)])


def _settled(path: str, name: str, by: str, before: _Known | None, to: Path) -> _Known:
    """Divide one file, unless it is as it was; pieces of one that cannot be read now stay."""
    found = Signature.of(path)
    signature = [] if found is None else list(asdict(found).values())
    if before is not None and (before.path, before.signature) == (path, signature) and signature:
        return before
    try:
        with pq.ParquetFile(path, pre_buffer=False) as parquet:
            return _divided(parquet, path, name, by, signature, to)
    except (pa.ArrowException, OSError, EOFError, ValueError, KeyError) as error:
        text = f"cannot be divided by {by} ({(str(error).splitlines() or ['?'])[0]})"
        old = before or _Known(path=path, signature=[])
        return _Known(
            path=path,
            signature=[],
            rows=old.rows,
            without=old.without,
            pieces=old.pieces,
            error=text,
        )


def _divided(
    parquet: pq.ParquetFile, path: str, name: str, by: str, signature: list[int], to: Path
) -> _Known:
    pieces: list[str] = []
    alone, rows = only_value(parquet, name, by), parquet.metadata.num_rows
    if alone is not None:
        pieces.append(piece := _piece(alone, name, 0))
        _link(Path(path), to / piece)
        return _Known(path=path, signature=signature, rows={alone: rows}, pieces=pieces)
    if by not in parquet.schema_arrow.names:
        return _Known(path=path, signature=signature, without=rows, error=f"has no column {by}")

    def write(value: str, part: int, table: pa.Table) -> None:
        pieces.append(piece := _piece(value, name, part))
        _write_table(table, to / piece)

    split: SplitFile = split_file(parquet, by, write)
    return _Known(
        path=path, signature=signature, rows=split.rows, without=split.without, pieces=pieces
    )


def _piece(value: str, name: str, part: int) -> str:
    """Return the place of the rows of a value of a file; the order of names is that of parts."""
    place = PurePosixPath(name)
    own = place.name if not part else f"{place.stem}~{part:04}{place.suffix}"
    return str(PurePosixPath(value_key(value), place.parent, own))


def _link(source: Path, target: Path) -> None:
    aside = _aside(target)
    aside.symlink_to(source)
    aside.replace(target)


def _write_table(table: pa.Table, target: Path) -> None:
    aside = _aside(target)
    pq.write_table(table, aside)
    aside.replace(target)


def _aside(target: Path) -> Path:
    """Return a hidden place beside a file; what a killed run left there is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.new")
    aside.unlink(missing_ok=True)
    return aside


def _remove(to: Path, piece: str) -> None:
    (to / piece).unlink(missing_ok=True)
    for folder in (to / piece).parents:
        if folder == to or any(folder.iterdir()):
            return
        folder.rmdir()


def _read_index(to: Path, by: str) -> dict[str, _Known]:
    """Read what is divided; nothing when that is of another column, damaged or not there."""
    try:
        stored: dict[str, Any] = json.loads((to / _INDEX).read_text(encoding="utf-8"))
        known = {name: _Known(**each) for name, each in stored["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    if stored["by"] == by:
        return known
    for each in known.values():
        for piece in each.pieces:
            _remove(to, piece)
    return {}


def _write_index(to: Path, by: str, files: Mapping[str, _Known]) -> None:
    aside = _aside(to / _INDEX)
    stored = {"by": by, "files": {name: asdict(each) for name, each in files.items()}}
    aside.write_text(json.dumps(stored), encoding="utf-8")
    aside.replace(to / _INDEX)


def _summed(files: Mapping[str, _Known], notes: Sequence[str]) -> Divided:
    rows: dict[str, int] = {}
    counts: dict[str, int] = {}
    for each in files.values():
        for value, number in each.rows.items():
            rows[value] = rows.get(value, 0) + number
            counts[value] = counts.get(value, 0) + 1
    order = sorted(rows)
    shown = list(notes[:_MOST_NOTES])
    if len(notes) > _MOST_NOTES:
        shown.append(f"and {len(notes) - _MOST_NOTES:,} more files that no detector takes")
    return Divided(
        rows={value: rows[value] for value in order},
        files={value: counts[value] for value in order},
        notes=tuple(shown),
    )


def _notes(files: Mapping[str, _Known], by: str) -> Iterator[str]:
    for name, each in files.items():
        if each.error is not None:
            rows = f" ({each.without:,} rows)" if each.without else ""
            yield f"{name} {each.error}: no detector takes its rows{rows}"
        elif each.without:
            yield f"{name}: {each.without:,} rows without a {by} are left out"
