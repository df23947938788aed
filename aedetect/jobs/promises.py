"""Who scored what, under which promise, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.detector import read_outline
from aedetect.errors import AedetectError
from aedetect.output import list_files
from aedetect.output.catalog import read_footers
from aedetect.output.partitions import SCORES, Span
from aedetect.output.verdict_counts import VerdictCounts

if TYPE_CHECKING:
    from aedetect.calibration.promise import Promise
    from aedetect.config import Config

_EVERYTHING = Span()


@dataclass(frozen=True, kw_only=True)
class ScoredTime:
    """Partitions beside each other that one version scored with one calibration."""

    since: str  # the first partition
    until: str  # the last one, inclusive
    partitions: int
    model_name: str
    model_version: int
    calibration_version: int
    rows: int  # judged
    flagged: int
    promise: float | None  # share of normal rows aimed at; None: not in the registry
    upper: float | None  # of it by the evidence; None: nothing promised, or not in the registry
    reason: str  # why it is widened or refused

    @property
    def share(self) -> float | None:
        """Share of the judged rows that were flagged; None without any."""
        return self.flagged / self.rows if self.rows else None


def scored_times(config: Config, *, span: Span = _EVERYTHING) -> list[ScoredTime]:
    """Return which version scored which time, the earliest first; from footers alone."""
    files = list_files(config.output, SCORES, span=span)
    marked = [
        (file.partition, origin, VerdictCounts.of_footer(footer) or VerdictCounts(0, 0))
        for file, (origin, footer) in zip(files, read_footers(files), strict=True)
    ]
    found = []
    for (name, version, calibration), same in groupby(
        marked,
        key=lambda each: (each[1].model_name, each[1].model_version, each[1].calibration_version),
    ):
        part = list(same)
        promise = promise_of(config, f"{name}/{version}", calibration)
        found.append(
            ScoredTime(
                since=str(part[0][0]),
                until=str(part[-1][0]),
                partitions=len(part),
                model_name=name,
                model_version=version,
                calibration_version=calibration,
                rows=_total([each[2].judged for each in part]),
                flagged=_total([each[2].flagged for each in part]),
                promise=promise.share if promise else None,
                upper=promise.upper if promise else None,
                reason=promise.reason if promise else "",
            )
        )
    return found


def promise_of(config: Config, reference: str, calibration: int) -> Promise | None:
    """Return what a calibration promises; None if it is gone."""
    try:
        made = registry.find_version(reference, tracking_uri=config.tracking_uri)
        folder = registry.fetch_version(made, tracking_uri=config.tracking_uri)
        return read_outline(folder, calibration=calibration).calibration.promise
    except AedetectError:
        return None


def _total(counts: Sequence[int]) -> int:
    return sum(counts)
