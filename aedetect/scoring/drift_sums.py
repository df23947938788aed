"""The files of `drift/` of some partitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.drift import PartitionSums
from aedetect.drift.partition_sums import partition_batches
from aedetect.drift.sums_table import SCHEMA
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


def write_drift(
    parts: Sequence[tuple[PartitionSums, Path, Origin]],
) -> None:
    """Write the sums of partitions of one detector to their files, not synced."""
    found = partition_batches([sums for sums, _, _ in parts])
    for (_, path, origin), batches in zip(parts, found, strict=True):
        with TableWriter(path, SCHEMA, origin, synced=False) as writer:
            for batch in batches:
                writer.write(batch)
