"""Wide tables -> Parquet files in a folder, in bounded memory, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from aedetect.data.scan import identifier, sql_literal
from aedetect.errors import OutputError
from aedetect.output import written

if TYPE_CHECKING:
    from aedetect.onboarding.moments import Timed
    from aedetect.onboarding.wide_table import Wide, WideTable

LABEL = "is_anomaly"
_UNSAFE = re.compile(r"[^\w.\-]+")


def needs_conversion(tables: Sequence[Timed]) -> bool:
    """Whether a table is anything but Parquet with a timestamp and plain columns."""
    return any(
        each.table.file.kind != "parquet"
        or not each.plain
        or not all(c.plain for c in each.features)
        for each in tables
    )


def write_tables(
    connection: duckdb.DuckDBPyConnection, wide: Wide, folder: Path, *, labels: str | None
) -> tuple[Path, ...]:
    """Write the tables; `labels` is the SQL of intervals (s, e) that mark anomalies.

    Files of before in the folder are replaced. Raises OutputError when they cannot be written.
    """
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        done = [_write(connection, table, wide, folder, labels) for table in wide.tables]
        for old in set(folder.glob("*.parquet")) - set(done):
            old.unlink()
    return tuple(done)


def _write(
    connection: duckdb.DuckDBPyConnection,
    table: WideTable,
    wide: Wide,
    folder: Path,
    labels: str | None,
) -> Path:
    target = folder / f"{_file_name(table.name)}.parquet"
    part = folder / f".{target.name}.part"
    sql = table.sql if labels is None else _labelled(table.sql, wide.time, labels)
    try:
        connection.execute(
            f"COPY ({sql}) TO {sql_literal(str(part))} (FORMAT parquet, COMPRESSION zstd, "
            "ROW_GROUP_SIZE 100000)"
        )
        part.replace(target)
    except duckdb.IOException as error:
        raise OutputError(
            f"{target} cannot be written ({str(error).splitlines()[0]}): free space, or write "
            "elsewhere with --to"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _labelled(sql: str, time: str, labels: str) -> str:
    """Add a column that says whether a row is in one of the intervals."""
    moment = f"w.{identifier(time)}"
    return (
        f"SELECT w.*, EXISTS (SELECT 1 FROM ({labels}) AS l WHERE {moment} >= l.s AND {moment} "
        f"<= l.e) AS {identifier(LABEL)} FROM ({sql}) AS w"
    )


def _file_name(name: str) -> str:
    """Return a name of a file for a name with folders and suffixes.

    >>> _file_name("west/pump 1.csv.gz")
    'west-pump_1'
    """
    stem = re.sub(
        r"(\.(csv|tsv|txt|dat|json|jsonl|ndjson|parquet|pq|parq|gz|zst))+$",
        "",
        name,
        flags=re.IGNORECASE,
    )
    return _UNSAFE.sub("_", stem.replace("/", "-")).lstrip("._") or "table"
