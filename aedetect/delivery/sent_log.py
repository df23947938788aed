"""What each receiver was told: a small Parquet file beside the output."""

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
_SCHEMA = pa.schema([(name, pa.string()) for name in ("receiver", "kind", "key", "severity")])


class SentEntry(NamedTuple):
    """Who was told of what."""

    receiver: str  # a hash of its URL, never the URL
    kind: str  # event or alert
    key: str  # id of the event, name of the alert


SentLog = Mapping[SentEntry, str]  # with the severity of which it was told


def receiver_id(url: str) -> str:
    """Return what stands for a receiver: its URL may hold a password."""
    return hashlib.blake2b(url.encode(), digest_size=8).hexdigest()


def read_sent(output: Path) -> dict[SentEntry, str]:
    """Read what was told; raise OutputError when the file is damaged."""
    path = output / NOTIFIED / PART
    if not path.exists():
        return {}
    try:
        rows = read_parquet(path, _SCHEMA.names).to_pylist()
        return {SentEntry(r["receiver"], r["kind"], r["key"]): r["severity"] for r in rows}
    except (OSError, pa.ArrowException, KeyError) as error:
        raise OutputError(
            f"{path} cannot be read ({error}): remove it; what is recent is told once more then"
        ) from error


def write_sent(output: Path, told: SentLog, *, over: Iterable[SentEntry] = ()) -> None:
    """Add what was told now and drop what is over; what another run told meanwhile is kept."""
    before = read_sent(output)
    gone = set(over)
    after = {telling: severity for telling, severity in before.items() if telling not in gone}
    after |= told
    if after == before:
        return
    rows = [(*telling, severity) for telling, severity in sorted(after.items())]
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    table = pa.table(columns or [pa.array([], pa.string())] * len(_SCHEMA), schema=_SCHEMA)
    with written(output), aside(output) as folder:
        with (folder / f"{NOTIFIED}.parquet").open("wb") as stream:
            pq.write_table(table, stream, compression="zstd")
        publish(folder / f"{NOTIFIED}.parquet", output / NOTIFIED / PART)
