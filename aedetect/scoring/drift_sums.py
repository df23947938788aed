"""The file of `drift/` of one partition."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.drift import PartitionSums
from aedetect.drift.partition_sums import SCHEMA
from aedetect.output.table_writer import TableWriter

if TYPE_CHECKING:
    from aedetect.detector import CalibratedScorer
    from aedetect.output import Origin


def drift_sums(detector: CalibratedScorer) -> PartitionSums | None:
    """Return what adds up the rows of a partition; None without a profile of the training."""
    if detector.profile is None:
        return None
    scorer = detector.scorer
    return PartitionSums(
        detector.profile, scorer.preparation, period=scorer.schema.period, length=scorer.length
    )


def write_drift(sums: PartitionSums | None, path: Path, origin: Origin) -> None:
    """Write the sums of a partition, not synced; no file without a profile."""
    if sums is None:
        return
    with TableWriter(path, SCHEMA, origin, synced=False) as writer:
        for batch in sums.batches():
            writer.write(batch)
