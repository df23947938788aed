"""Settings of scoring: `[scoring]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aedetect.errors import ConfigError
from aedetect.output.partitions import PartitionBy

ExecutorName = Literal["local", "dask", "ray", "spark"]
_ADDRESSES = {
    "dask": "tcp://scheduler:8786",
    "ray": "head:6379 or ray://head:10001",
    "spark": "spark://master:7077 or sc://server:15002",
}


@dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """What to score, where to write the verdicts, and when: `[scoring]`."""

    input: str | tuple[str, ...] | None = None  # file, folder, glob or URL
    output: str = "output"  # folder
    partition: PartitionBy = "day"
    strict: bool = False  # whether a run fails at the end if files could not be scored
    stale_after: str | None = None  # age of the newest row from which to alert; None: never
    promise_factor: float = 3.0  # times the promise, from which more flagged rows are an alert
    keep_records: str = "90d"  # how long runs/ and notified/ are kept
    schedule: str | None = None  # cron, in the zone of the data
    model: str | None = None  # NAME@alias or NAME/version; None: the detector's champion
    executor: ExecutorName = "local"  # where partitions are computed
    address: str | None = None  # of the cluster of that engine

    def __post_init__(self) -> None:
        """Raise ConfigError for a cluster without an address."""
        if self.executor != "local" and not self.address:
            raise ConfigError(
                f'[scoring] executor = "{self.executor}" needs [scoring] address, got none: start '
                f"the cluster and write its address, such as {_ADDRESSES[self.executor]}"
            )
