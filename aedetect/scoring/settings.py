"""What is scored, where the verdicts go, and when: `[scoring]`."""

from __future__ import annotations

from dataclasses import dataclass

from aedetect.output.partitions import (
    PartitionBy,
)


@dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """What is scored, where the verdicts go, and when: `[scoring]`."""

    input: str | tuple[str, ...] | None = None  # file, folder, glob or URL
    output: str = "output"  # folder
    partition: PartitionBy = "day"
    strict: bool = False  # whether a run fails in the end for files that it could not score
    stale_after: str | None = None  # age of the newest row that is an alert; None: any age is fine
    keep_records: str = "90d"  # how long runs/ and notified/ go back
    schedule: str | None = None  # cron, UTC
    model: str | None = None  # NAME@alias or NAME/version; None: the detector's champion
