"""The training of one of many detectors, as a process or a worker of a cluster does it.

It reads files and asks no registry: what is registered travels back as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from aedetect.execution.shipping import PackedFolder, pack_folder
from aedetect.jobs.packed_work import packed_result
from aedetect.jobs.training import train_detector
from aedetect.jobs.training_record import make_record
from aedetect.output.scratch import temporary_folder

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.registry.records import TrainingRecord

_PLACEHOLDER = "\0reference\0"  # the version has no number yet


@dataclass(frozen=True, kw_only=True)
class TrainedDetector:
    """A trained detector, and what the registry will keep of its training."""

    detector: PackedFolder
    record: TrainingRecord
    rows: int
    seconds: float


def train_packed(_shared: bytes, item: bytes) -> bytes:
    """Train the detector of a packed configuration: a TrainedDetector or an error, packed."""
    return packed_result(_trained, item)


def _trained(config: Config) -> TrainedDetector:
    started = datetime.now(UTC)
    with temporary_folder() as scratch:
        ingested, trained, detector = train_detector(config, scratch)
        detector.save(folder := scratch / "detector")
        record = make_record(config, ingested, trained, detector, started=started, scratch=None)
        card = record.card(_PLACEHOLDER) if record.card is not None else None
        return TrainedDetector(
            detector=pack_folder(folder),
            record=replace(record, card=None if card is None else partial(_with_reference, card)),
            rows=len(ingested.rows),
            seconds=(datetime.now(UTC) - started).total_seconds(),
        )


def _with_reference(card: str, reference: str) -> str:
    return card.replace(_PLACEHOLDER, reference)
