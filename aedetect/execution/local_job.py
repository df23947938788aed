"""What travels between a process and those that compute partitions for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aedetect.scoring import Model
    from aedetect.scoring.waves import Result


@dataclass(frozen=True, kw_only=True)
class LocalJob:
    """What all pieces of a run have in common."""

    model: Model
    output: Path


@dataclass(frozen=True, kw_only=True)
class Said:
    """A log event of a worker."""

    logger: str
    level: int
    message: str
    extra: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What became of a piece, and what was logged meanwhile."""

    done: Result | BaseException
    said: Sequence[Said]
