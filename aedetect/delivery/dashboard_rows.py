"""What dashboards need beside events: runs, counts of scored partitions, and drift.

Counts come from the footers of scores/, drift from the sums over all entities in drift/: no score
is read. Runs are kept in the database for as long as people want, also when `runs/` is pruned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.delivery.connection import transaction, upsert
from aedetect.delivery.output_files import storable
from aedetect.delivery.tables import DRIFT, PARTITIONS, RUNS, SCORED, table_columns
from aedetect.drift.sums_table import ALL
from aedetect.output import OutputFile, list_files
from aedetect.output.files import open_parquet
from aedetect.output.partitions import SCORES
from aedetect.output.verdict_counts import VerdictCounts
from aedetect.scoring.run_log import read_runs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEWEST = 50  # runs; older ones are read only when none of these is stored
_EVERY_RUN = 1_000_000


def sync_dashboard_rows(
    connection: Connection, tables: Mapping[str, Table], output: Path, *, detector: str
) -> None:
    """Bring runs, counts and drift of a detector up to date with its output."""
    _sync_runs(connection, tables[RUNS], output, detector)
    for kind, table in ((SCORES, SCORED), (DRIFT, DRIFT)):
        if (output / kind).is_dir():  # the disk may not be mounted
            _sync_files(connection, tables[table], tables[PARTITIONS], output, (detector, kind))


def _sync_runs(connection: Connection, table: Table, output: Path, detector: str) -> None:
    from sqlalchemy import select

    columns, found = table.c, read_runs(output, limit=_NEWEST)
    known = select(columns.run_id).where(
        columns.detector == detector, columns.run_id.in_([run["run_id"] for run in found])
    )
    with connection.begin():
        stored = {row.run_id for row in connection.execute(known)}
    if len(found) == _NEWEST and not stored:
        found = read_runs(output, limit=_EVERY_RUN)
    names = table_columns(RUNS)
    rows = [
        {name: storable(run[name]) for name in names} | {"detector": detector}
        for run in found
        if run["run_id"] not in stored
    ]
    with transaction(connection):
        upsert(connection, table, rows)


def _sync_files(
    connection: Connection, table: Table, notes: Table, output: Path, own: tuple[str, str]
) -> None:
    """Replace the rows of the partitions whose file has changed, and remove those that are gone."""
    from sqlalchemy import select

    (detector, kind), noted, columns = own, notes.c, table.c
    mine = (noted.detector == detector, noted.kind == kind)
    with connection.begin():
        query = select(noted.partition, noted.fingerprint).where(*mine)
        stored = {row.partition: row.fingerprint for row in connection.execute(query)}
    files = {file.partition.folder: file for file in list_files(output, kind)}
    for folder in sorted({*stored, *files}):
        file = files.get(folder)
        mark = None if file is None else _mark(file)
        if mark == stored.get(folder):
            continue
        with transaction(connection):
            connection.execute(notes.delete().where(*mine, noted.partition == folder))
            this = (columns.detector == detector, columns.partition == folder)
            connection.execute(table.delete().where(*this))
            if file is not None:
                key = {"detector": detector, "partition": folder}
                upsert(connection, notes, [key | {"kind": kind, "fingerprint": mark}])
                upsert(connection, table, [key | row for row in _ROWS[kind](file, output)])


def _mark(file: OutputFile) -> str:
    """Return what shows that a file has changed: files are replaced, never written to."""
    found = file.path.stat()
    return f"{found.st_mtime_ns}-{found.st_size}"


def _counts(file: OutputFile, output: Path) -> Iterator[dict[str, Any]]:
    origin, footer = file.marks()
    counts = VerdictCounts.of_footer(footer)
    with open_parquet(file.path) as parquet:
        rows = parquet.metadata.num_rows
    yield {
        "start": _start(file, output),
        "rows": rows,
        "judged": None if counts is None else counts.judged,
        "flagged": None if counts is None else counts.flagged,
        "model_name": origin.model_name,
        "model_version": origin.model_version,
        "calibration_version": origin.calibration_version,
    }


def _drift(file: OutputFile, output: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.compute as pc

    names = ["scope", "column", "rows", "missing", "missing_limit", "psi", "psi_limit"]
    start = _start(file, output)
    table = file.read(names)
    of_all = pc.and_(pc.equal(table["scope"], ALL), pc.is_valid(table["column"]))
    for row in table.filter(of_all).drop_columns("scope").to_pylist():
        own = {"missing": row["missing"] / max(row["rows"], 1), "feature": row.pop("column")}
        yield storable(row | own | {"start": start})


def _start(file: OutputFile, output: Path) -> datetime:
    """Return when a partition begins, on the clock of the scores."""
    partition = file.partition
    scores = OutputFile(kind=SCORES, partition=partition, path=partition.path(output, SCORES))
    start, _ = partition.bounds(scores.clock("timestamp"))
    return _EPOCH + timedelta(microseconds=start // 1_000)


_ROWS = {SCORES: _counts, DRIFT: _drift}
