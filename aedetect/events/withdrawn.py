"""The record of withdrawn events: those that were written and no longer exist.

It keeps what users may have seen before the data were corrected. Unlike the rest of the output, it
depends on the history of runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aedetect.events.table import WITHDRAWN
from aedetect.output import publish
from aedetect.output.atomic import PART
from aedetect.output.files import open_parquet, read_parquet
from aedetect.output.schemas import events_schema

_ARROW = b"ARROW:schema"  # footer key that Arrow adds


def record_withdrawn(
    output: Path,
    gone: Sequence[pa.Table],
    present: Iterable[str],
    *,
    marks: Mapping[bytes, bytes],
    folder: Path,
) -> None:
    """Add the events that are gone, and remove those that are present (again).

    The marks, which go into the footer, state the rules by which events were formed. The file is
    written to the folder, then published.
    """
    target = output / WITHDRAWN / PART
    old = [read_parquet(target)] if target.exists() else []
    fresh = [_uniform(table) for table in gone if table.num_rows]
    if not old and not fresh:
        return
    now = pa.concat_tables(fresh) if fresh else None
    names = pa.array(list(present), pa.string())
    if now is not None:
        names = pa.concat_arrays([names, now["event_id"].combine_chunks()])
    kept = [table.filter(pc.invert(pc.is_in(table["event_id"], names))) for table in old]
    joined = pa.concat_tables([*kept, *([now] if now is not None else [])])
    if old and joined.equals(old[0]) and read_withdrawn_marks(output) == marks:
        return
    path = folder / "withdrawn.parquet"
    ordered = joined.sort_by([("start", "ascending"), ("event_id", "ascending")])
    pq.write_table(ordered.replace_schema_metadata(marks), path)
    publish(path, target)


def read_withdrawn_marks(output: Path) -> Mapping[bytes, bytes] | None:
    """Return the marks of the record; None when there is no record."""
    target = output / WITHDRAWN / PART
    if not target.exists():
        return None
    with open_parquet(target) as parquet:
        found = parquet.metadata.metadata or {}
    return {key: value for key, value in found.items() if key != _ARROW}


def _uniform(table: pa.Table) -> pa.Table:
    """Cast timestamps to one type, whatever the type of the source file."""
    aware = table.schema.field("start").type.tz is not None
    schema = events_schema(pa.timestamp("ns", tz="UTC" if aware else None))
    return table.replace_schema_metadata(None).cast(schema)
