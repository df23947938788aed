"""The log of what was sent to each receiver: a small Parquet file beside the output."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.errors import OutputError
from aedetect.output import aside, publish, written
from aedetect.output.atomic import PART
from aedetect.output.files import read_parquet

NOTIFIED = "notified"
EVENT, ALERT = "event", "alert"
REFUSED = "refused"  # entries that count the runs in which only this message was not accepted
# How far an alert was told, where that is not known: the run was killed, or it was not accepted.
BEGINNING, ENDING = "beginning", "ending"
_SCHEMA = pa.schema([(name, pa.string()) for name in ("receiver", "kind", "key", "severity")])


class SentEntry(NamedTuple):
    """One notification to one receiver."""

    receiver: str  # a hash of its URL, never the URL
    kind: str  # event, alert, or refused
    key: str  # id of the event, name of the alert


# With the severity of an event that was sent; of an alert that was, empty, or what is left to do.
SentLog = Mapping[SentEntry, str]


def receiver_id(url: str) -> str:
    """Return a hash that identifies a receiver, because its URL may contain a password."""
    return hashlib.blake2b(url.encode(), digest_size=8).hexdigest()


def read_sent(output: Path) -> dict[SentEntry, str]:
    """Read the log; raise OutputError when the file is damaged."""
    path = output / NOTIFIED / PART
    if not path.exists():
        return {}
    try:
        rows = read_parquet(path, _SCHEMA.names).to_pylist()
        return {SentEntry(r["receiver"], r["kind"], r["key"]): r["severity"] for r in rows}
    except (OSError, pa.ArrowException, KeyError) as error:
        raise OutputError(
            f"{path} cannot be read ({error}): remove it; recent events are then sent once more"
        ) from error


def write_sent(output: Path, new: SentLog, *, over: Iterable[SentEntry] = ()) -> None:
    """Add new entries and remove those that are over; entries of other runs are kept."""
    before = read_sent(output)
    gone = set(over)
    after = {entry: severity for entry, severity in before.items() if entry not in gone}
    after |= new
    if after == before:
        return
    rows = [(*entry, severity) for entry, severity in sorted(after.items())]
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    table = pa.table(columns or [pa.array([], pa.string())] * len(_SCHEMA), schema=_SCHEMA)
    with written(output), aside(output) as folder:
        with (folder / f"{NOTIFIED}.parquet").open("wb") as stream:
            pq.write_table(table, stream, compression="zstd")
        publish(folder / f"{NOTIFIED}.parquet", output / NOTIFIED / PART)
