"""Spark: a master or a Spark Connect server, through `SparkSession`.

Items travel in data frames, which both kinds of server know. What an item gives is known when its
whole wave is done: Spark has no results one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from aedetect.execution.cluster import Size, Work, gave_up, unreachable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_AHEAD = 8  # items per core of one wave
_SCHEMA = "number long, result binary"


@contextmanager
def spark_connected(address: str) -> Iterator[_Spark]:
    """Connect to a server; a session that this process has already is used and left open."""
    from pyspark.sql import SparkSession

    mine = SparkSession.getActiveSession() is None
    builder = SparkSession.builder.appName("aedetect")
    builder = builder.remote(address) if address.startswith("sc://") else builder.master(address)
    try:
        session = builder.getOrCreate()
    except Exception as error:
        raise unreachable("spark", address, error) from error
    try:
        yield _Spark(session, address)
    finally:
        if mine:
            session.stop()


@dataclass(frozen=True)
class _Spark:
    """A server that answered."""

    session: SparkSession
    address: str

    def size(self) -> Size:
        """Return the cores; executors may come and go."""
        try:
            count = self.session.range(1_000_000).rdd.getNumPartitions()
        except Exception:  # Spark Connect has no RDDs
            count = int(self.session.conf.get("spark.default.parallelism", "8") or 8)
        return Size(0, count)

    def everywhere(self, _work: Work, _shared: bytes) -> Mapping[str, bytes]:
        """Return nothing: executors have no names before they have work."""
        return {}

    def compute(
        self, work: Work, items: Sequence[bytes], *, shared: bytes
    ) -> Iterator[tuple[int, bytes]]:
        """Compute the items in waves, a task each."""
        wave = max(_AHEAD * self.size().cores, 1)
        for first in range(0, len(items), wave):
            some = list(enumerate(items[first : first + wave], start=first))
            try:
                frame = self.session.createDataFrame(some, "number long, item binary")
                spread = frame.repartitionByRange(len(some), "number")
                rows = spread.mapInArrow(_mapped(work, shared), _SCHEMA).collect()
            except Exception as error:
                raise gave_up("spark", self.address, error) from error
            for row in rows:
                yield row["number"], bytes(row["result"])


def _mapped(
    work: Work, shared: bytes
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the work as Spark calls it: batches of items in, batches of results out."""

    def mapped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            results = [work(shared, item) for item in batch["item"].to_pylist()]
            yield pa.record_batch(
                {"number": batch["number"], "result": pa.array(results, pa.binary())}
            )

    return mapped
