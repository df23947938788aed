"""Prune the record of runs: one file per past day, and none for expired days."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.output import aside, publish, written
from aedetect.output.atomic import updating, withdraw
from aedetect.output.files import read_parquet
from aedetect.output.filesystem import forget_listings, parquet_files

RUNS = "runs"  # folder below the output
DAY_FILE = "day.parquet"  # all runs of a past day
_DAY = re.compile(r"date=\d{4}-\d{2}-\d{2}")


def prune_runs(output: Path, *, now: datetime, keep: timedelta) -> None:
    """Remove expired files, and merge the files of each past day.

    If the process is killed in between, a row may be in two files until the next run; readers
    return it once. Raises OutputError on failure.
    """
    oldest, today = (f"date={moment:%Y-%m-%d}" for moment in (now - keep, now))
    forget_listings(output)
    if not any(_is_due(day, paths, oldest, today) for day, paths in _by_day(output).items()):
        return
    with updating(output / RUNS), written(output):
        for day, paths in _by_day(output).items():
            if not _is_due(day, paths, oldest, today):
                continue
            if day >= oldest and not _join(output, paths):
                continue
            for path in paths:
                if day < oldest or path.name != DAY_FILE:
                    withdraw(path, root=output / RUNS)


def _by_day(output: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in parquet_files(output / RUNS):
        if _DAY.fullmatch(path.parent.name):
            found.setdefault(path.parent.name, []).append(path)
    return found


def _is_due(day: str, paths: Sequence[Path], oldest: str, today: str) -> bool:
    return day < oldest or (day < today and len(paths) > 1)


def _join(output: Path, paths: Sequence[Path]) -> bool:
    """Write one file with the rows of all, each once; return False if one is unreadable."""
    try:
        tables = [read_parquet(path) for path in paths]
        joined = pa.concat_tables(tables, promote_options="permissive")
    except (OSError, pa.ArrowException):  # kept, so that readers report it
        return False
    rows = joined.append_column("row", pa.array(range(len(joined))))
    first = rows.group_by("run_id", use_threads=False).aggregate([("row", "min")])["row_min"]
    ordered = joined.take(first).sort_by([("started", "ascending"), ("run_id", "ascending")])
    with aside(output) as folder:
        pq.write_table(ordered, folder / DAY_FILE, compression="zstd")
        publish(folder / DAY_FILE, paths[0].parent / DAY_FILE)
    return True
