"""Where the data of a configuration are: as they stand, or converted into a folder beside it."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.errors import ConfigError
from aedetect.logs import log_event
from aedetect.onboarding.conversion import LABEL, needs_conversion, write_tables
from aedetect.onboarding.layout import named_split
from aedetect.onboarding.wide_table import widen

if TYPE_CHECKING:
    import duckdb

    from aedetect.onboarding.layout import Arrangement, IntervalTable
    from aedetect.onboarding.sources import Sources

logger = logging.getLogger(__name__)

_SAMPLE_ROWS = 3_000_000  # rows that the closer look takes, or one file


@dataclass(frozen=True, kw_only=True)
class Places:
    """Locations as the configuration names them, and what the conversion gave the tables."""

    train: str
    input: str
    time: str
    sample: tuple[Path, ...]  # files that a closer look reads, those that are trained on
    scored: tuple[Path, ...] = ()  # others
    folder: Path | None = None  # with the converted files
    entity: str | None = None  # column that the conversion made
    label: str | None = None
    maintenance: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def place_data(
    connection: duckdb.DuckDBPyConnection,
    sources: Sources,
    arrangement: Arrangement,
    *,
    locations: Sequence[Path],
    to: Path,
    force: bool,
) -> Places:
    """Convert the tables if anything but plain Parquet is there, and return where they are."""
    as_it_stands = arrangement.layout == "parts" and not sources.labels
    if as_it_stands and not needs_conversion(arrangement.tables):
        return _in_place(arrangement, locations, to)
    folder = data_folder(to)
    if folder.exists() and any(folder.iterdir()) and not force:
        raise ConfigError(
            f"{folder} exists, where the converted data would go: name another file with --to, or "
            "write over it with --force"
        )
    log_event(logger, "step", text=f"writing Parquet to {folder}")
    wide = widen(connection, arrangement)
    labels = _union(sources.labels, aware=arrangement.tables[0].aware) if sources.labels else None
    written = write_tables(connection, wide, folder, labels=labels)
    planned = _write_planned(connection, sources.planned, to) if sources.planned else None
    train, rest = _split([table.name for table in wide.tables], written)
    shown = relative(folder, to)
    return Places(
        train=shown if not rest else _shown(train, folder, to),
        input=shown if not rest else _shown(rest, folder, to),
        time=wide.time,
        sample=tuple(train),
        scored=tuple(rest),
        folder=folder,
        entity=wide.entity,
        label=LABEL if labels else None,
        maintenance=() if planned is None else (relative(planned, to),),
        remarks=wide.remarks,
    )


def data_folder(to: Path) -> Path:
    """Return the folder of the converted data of a configuration."""
    return to.parent / f"{to.stem}-data"


def relative(path: Path, to: Path) -> str:
    """Return a path as the configuration names it: relative to its own folder."""
    shown = os.path.relpath(path.resolve(), to.resolve().parent)
    return f"{shown}/" if path.is_dir() else shown


def _in_place(arrangement: Arrangement, locations: Sequence[Path], to: Path) -> Places:
    """Return the locations as they are; training and input apart when their names say so."""
    files = [Path(timed.table.file.path) for timed in arrangement.tables]
    train, rest = _split([timed.table.file.name for timed in arrangement.tables], files)
    if not rest:
        places = [relative(each, to) for each in locations]
        if len(places) > 1:
            raise ConfigError(
                "several places with Parquet files need one folder: name the folder that holds them"
            )
        shown = (places[0], places[0])
    else:
        roots = [each.resolve() if each.is_dir() else each.resolve().parent for each in locations]
        root = Path(os.path.commonpath(roots)) if len(roots) > 1 else roots[0]
        shown = (_shown(train, root, to), _shown(rest, root, to))
    rows = {Path(timed.table.file.path): timed.rows for timed in arrangement.tables}
    return Places(
        train=shown[0],
        input=shown[1],
        time=arrangement.tables[0].name,
        sample=tuple(_first_rows(train, rows)),
        scored=tuple(_first_rows(rest, rows)) if rest else (),
    )


def _first_rows(files: Sequence[Path], rows: dict[Path, int]) -> list[Path]:
    """Return some of the files, evenly spaced, with a bounded number of rows."""
    total = sum(rows[file] for file in files)
    step = max(1, -(-total // _SAMPLE_ROWS))
    return list(files[::step])


def _split(names: Sequence[str], files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files to train on and those to score, where every name says which it is."""
    found = named_split(names)
    if found is None:
        return list(files), []
    return [files[place] for place in found[0]], [files[place] for place in found[1]]


def _shown(files: Sequence[Path], root: Path, to: Path) -> str:
    """Return one file, or the folder or pattern that stands for several."""
    common = Path(os.path.commonpath([file.resolve().parent for file in files]))
    if common != root.resolve():
        return relative(common, to)
    if len(files) == 1:
        return relative(files[0], to)
    names = [file.name for file in files]
    start = names[0]
    while not all(name.startswith(start) for name in names):
        start = start[:-1]
    return f"{relative(root, to)}{start}*.parquet"


def _union(intervals: Sequence[IntervalTable], *, aware: bool) -> str:
    """Write the SQL of intervals as s and e."""
    kind = "TIMESTAMPTZ" if aware else "TIMESTAMP"
    parts = []
    for each in intervals:
        start, end = each.table.columns[:2]
        parts.append(
            f"SELECT CAST({start.sql} AS {kind}) AS s, CAST({end.sql} AS {kind}) AS e "
            f"FROM {each.table.relation} WHERE ({start.sql}) IS NOT NULL"
        )
    return " UNION ALL ".join(parts)


def _write_planned(
    connection: duckdb.DuckDBPyConnection, planned: Sequence[IntervalTable], to: Path
) -> Path:
    """Write planned work as `[events] maintenance` reads it."""
    target = to.with_name(f"{to.stem}-maintenance.csv")
    found = connection.execute(_union(planned, aware=False)).fetchall()
    with target.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("start", "end"))
        table.writerows((start.isoformat(), end.isoformat()) for start, end in found)
    return target
