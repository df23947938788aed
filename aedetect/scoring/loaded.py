"""The detector that scores, loaded once per process, with the calibration in force at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.calibration.serialization import newest_version
from aedetect.detector import CalibratedScorer, Outline, read_outline, read_saved_history

if TYPE_CHECKING:
    from aedetect.calibration import Calibration
    from aedetect.calibration.history import History


@dataclass(frozen=True, kw_only=True)
class Model:
    """The detector to score with: its folder, and its name in the registry."""

    folder: str
    name: str
    version: int


def cached_detector(folder: str) -> CalibratedScorer:
    """Load a detector once per process, and again when it has a new calibration."""
    return _loaded(folder, newest_version(Path(folder)))


def cached_outline(folder: str) -> Outline:
    """Read the outline of a detector, without PyTorch, as `cached_detector` loads the detector."""
    return _outline(folder, newest_version(Path(folder)))


def detector_at(folder: str, moment: int) -> CalibratedScorer:
    """Load a detector with the calibration in force at a time (ns).

    A partition is judged by the one in force at its start, so that its content depends on what is
    stored, and not on when it is computed.
    """
    newest = newest_version(Path(folder))
    version = calibration_at(folder, moment)
    detector = _loaded(folder, newest)
    if version == detector.calibration.version:
        return detector
    return replace(detector, calibration=_calibration(folder, version))


def calibration_at(folder: str, moment: int) -> int:
    """Return the version of the calibration in force at a time (ns)."""
    return _history(folder, newest_version(Path(folder))).at(moment)


@lru_cache(maxsize=4)
def _loaded(folder: str, _calibration: int | None) -> CalibratedScorer:
    return CalibratedScorer.load(Path(folder))


@lru_cache(maxsize=4)
def _outline(folder: str, _calibration: int | None) -> Outline:
    return read_outline(Path(folder))


@lru_cache(maxsize=4)
def _history(folder: str, _calibration: int | None) -> History:
    return read_saved_history(Path(folder))


@lru_cache(maxsize=16)
def _calibration(folder: str, version: int) -> Calibration:
    return read_outline(Path(folder), calibration=version).calibration
