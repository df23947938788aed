"""Settings of scoring: `[scoring]`."""

from __future__ import annotations

from dataclasses import dataclass

from aedetect.output.partitions import (
    PartitionBy,
)


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
