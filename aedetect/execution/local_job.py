"""What travels between a process and those that compute partitions for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aedetect.scoring import Model


@dataclass(frozen=True, kw_only=True)
class LocalJob:
    """What all pieces of a run have in common."""

    model: Model
    output: Path


@dataclass(frozen=True)
class DetectorCall:
    """Work of another kind for which the detector has to be in memory."""

    function: Callable[[str, Any], Any]  # of the folder of the detector and the argument
    argument: Any


@dataclass(frozen=True, kw_only=True)
class Said:
    """A log event of a worker."""

    logger: str
    level: int
    message: str
    extra: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What became of a piece or a call, and what was logged meanwhile."""

    done: Any  # an exception that was raised, or the result
    said: Sequence[Said]
