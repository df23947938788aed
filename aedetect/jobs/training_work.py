"""The training of one of many detectors, as a process or a worker of a cluster does it.

It reads files and asks no registry: what is registered travels back as bytes.
"""

from __future__ import annotations

import logging
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.errors import AedetectError, RunFailed
from aedetect.execution.shipping import PackedFolder, pack_folder
from aedetect.jobs.training import train_detector
from aedetect.jobs.training_record import make_record

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
    """Train the detector of a packed configuration; an error is a result."""
    config: Config = pickle.loads(item)  # noqa: S301 - from the process that runs the job
    result: TrainedDetector | AedetectError
    try:
        with quiet():
            result = _trained(config)
    except AedetectError as error:
        result = error
    except Exception as error:  # a retry would give the same, and the others are to go on
        result = RunFailed(f"unexpected {type(error).__name__}: {error}")
    return pickle.dumps(result)


@contextmanager
def quiet() -> Iterator[None]:
    """Log no steps, notes and epochs of one of many: its error and its record tell of it."""
    log = logging.getLogger("aedetect")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _trained(config: Config) -> TrainedDetector:
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="aedetect-") as name:
        scratch = Path(name)
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
