"""Suppress scored rows: planned work, ignored features and directions.

Each row is suppressed based only on the row and the settings, so that a partition is a pure
function of its inputs.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int8, Int32, Int64, any_in_row
from aedetect.data import Schema
from aedetect.data.schema import suggest_nearest
from aedetect.detector.rules import NONE, STUCK
from aedetect.errors import ConfigError
from aedetect.scoring.maintenance import Interval, read_intervals
from aedetect.scoring.planned_work import RowWindows, mark_planned_work
from aedetect.wall_clock import WallClock

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float32
    from aedetect.detector import Evaluated, Scorer
    from aedetect.events.settings import EventSettings
    from aedetect.preprocessing import Prepared

SUPPRESSION_INPUTS = ("[events] ignore", "[events] maintenance")  # among the inputs of a partition
_UTC = WallClock()
_NAMED = 0.1  # minimum share of the ignored errors for a feature to be named


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """Suppression rules: patterns of features as in `[events]`, and planned work."""

    ignore: tuple[str, ...] = ()
    only_above: tuple[str, ...] = ()
    only_below: tuple[str, ...] = ()
    intervals: tuple[Interval, ...] = ()

    def within(self, start: int, end: int) -> Suppression:
        """Return the rules that concern rows of [start, end) ns."""
        met = [each for each in self.intervals if each.start < end and each.end > start]
        return replace(self, intervals=tuple(sorted(each.clipped(start, end) for each in met)))

    @property
    def inputs(self) -> dict[str, str]:
        """Inputs of verdicts besides files: name -> fingerprint; empty without rules.

        The names start with a bracket, which is unlikely in file names.
        """
        features = (self.ignore, self.only_above, self.only_below)
        parts = dict(
            zip(SUPPRESSION_INPUTS, (features, tuple(map(astuple, self.intervals))), strict=True)
        )
        return {name: _digest(part) for name, part in parts.items() if any(part)}


@dataclass(frozen=True)
class SuppressedRows:
    """Why rows are suppressed: (N,) index into the reasons, -1 for the others."""

    reason: Int32
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class JudgedRows:
    """Scored rows, and the inputs of their scores.

    Shapes: windows of N rows; evaluated; prepared, all rows; threshold (N,); broken (N, F) which
    column rule each cell breaks, 0 for none.
    """

    windows: RowWindows
    evaluated: Evaluated
    prepared: Prepared
    threshold: Float64
    broken: Int8

    @property
    def above(self) -> Bool:
        """(N,) whether the score is above the threshold."""
        return np.asarray(self.evaluated.score > self.threshold)

    @cached_property
    def anomalous(self) -> Bool:
        """(N,) whether the score is above the threshold, or a column rule is broken."""
        return np.asarray(self.above | any_in_row(self.broken != NONE))


def read_suppression(
    settings: EventSettings,
    maintenance: Sequence[str],
    *,
    start: int,
    end: int,
    clock: WallClock = _UTC,
) -> Suppression:
    """Return the suppression rules for rows of [start, end) ns; reads the maintenance files."""
    return Suppression(
        ignore=tuple(sorted(settings.ignore)),
        only_above=tuple(sorted(settings.only_above)),
        only_below=tuple(sorted(settings.only_below)),
        intervals=read_intervals(maintenance, start=start, end=end, clock=clock),
    )


def check_features(suppression: Suppression, schema: Schema) -> None:
    """Raise ConfigError if a pattern matches no feature, or a directional one matches text."""
    texts = {feature.name for feature in schema.features if feature.is_text}
    for key in ("ignore", "only_above", "only_below"):
        for pattern in getattr(suppression, key):
            named = set(_matches(schema.names, pattern))
            if not named:
                raise ConfigError(
                    f'[events] {key} must name features of the detector, got "{pattern}"'
                    f"{suggest_nearest(pattern, schema.names)}; there are {', '.join(schema.names)}"
                )
            if key != "ignore" and named & texts:
                raise ConfigError(
                    f"[events] {key} must name numbers, but {min(named & texts)} is text: it "
                    "is neither above nor below what is expected"
                )


def suppress_rows(suppression: Suppression, scorer: Scorer, judged: JudgedRows) -> SuppressedRows:
    """Return which rows are suppressed, and why. Planned work has priority over other reasons.

    All rows during planned work are suppressed, regardless of their score, and so are those whose
    windows hold rows of it, unless the row itself breaks a column rule. An anomaly is also
    suppressed if it would be none without the errors and rules of ignored features, and of other
    features where they deviate in an ignored direction.
    """
    work = np.full(len(judged.threshold), -1, dtype=np.int32)
    own = any_in_row((judged.broken != NONE) & (judged.broken != STUCK))
    reasons = mark_planned_work(suppression.intervals, judged.windows, work, known=own)
    reason = np.full(len(work), -1, dtype=np.int32)
    if suppression.ignore or suppression.only_above or suppression.only_below:
        features = _judge_features(suppression, scorer, judged, reason)
        reason = np.where(reason >= 0, reason + len(reasons), -1).astype(np.int32)
        reasons += features
    return SuppressedRows(np.where(work >= 0, work, reason).astype(np.int32), tuple(reasons))


def _judge_features(
    suppression: Suppression, scorer: Scorer, judged: JudgedRows, reason: Int32
) -> list[str]:
    """Set the reason of rows that are anomalous only by ignored features; return the reasons."""
    anomalous = np.flatnonzero(judged.anomalous)
    muted = _muted(suppression, scorer, judged, anomalous)
    rules = judged.broken[anomalous] > 0
    score = _score_without(scorer, judged, anomalous, muted)
    left = (score > judged.threshold[anomalous]) | (rules & ~muted).any(axis=1)
    silenced = muted.any(axis=1) & ~left
    errors = judged.evaluated.contributions(anomalous[silenced])
    part = np.where((muted & judged.above[anomalous, None])[silenced], errors, 0)
    named = part >= _NAMED * np.maximum(part.sum(axis=1, keepdims=True), 1e-12)
    named |= (rules & muted)[silenced]
    kinds, kind = np.unique(named, axis=0, return_inverse=True)
    reason[anomalous[silenced]] = kind.reshape(-1)
    names = np.array(scorer.schema.names, dtype=object)
    return [f"only ignored features: {', '.join(names[which])}" for which in kinds]


def _score_without(
    scorer: Scorer, judged: JudgedRows, chosen: Int64, muted: Bool
) -> Float32 | Float64:
    """Return the score of rows as if some features had no errors: (M,), (M, F) -> (M,)."""
    evaluated, seen = judged.evaluated, judged.prepared.observed[judged.windows.ends[chosen]]
    if evaluated.parts is not None:
        return evaluated.parts.take(chosen).without(muted)
    errors = evaluated.errors[chosen]
    # Parts of a score other than the errors of features are kept.
    less = scorer.score_of(np.where(muted, np.float32(0), errors), seen)
    return np.asarray(evaluated.score[chosen] + less - scorer.score_of(errors, seen))


def _muted(suppression: Suppression, scorer: Scorer, judged: JudgedRows, chosen: Int64) -> Bool:
    """Return which errors of the chosen rows are ignored: (M, F)."""
    names = scorer.schema.names
    first = scorer.preparation.first_columns
    expected = judged.evaluated.expected_of(chosen)[:, first]
    observed = judged.prepared.matrix[judged.windows.ends[chosen]][:, first]
    muted = np.zeros(observed.shape, dtype=np.bool_)
    muted |= _matching(names, suppression.ignore)
    muted |= _matching(names, suppression.only_above) & (observed < expected)
    muted |= _matching(names, suppression.only_below) & (observed > expected)
    return muted


def _matching(names: Sequence[str], patterns: Sequence[str]) -> Bool:
    return np.isin(names, [name for pattern in patterns for name in _matches(names, pattern)])


def _matches(names: Sequence[str], pattern: str) -> list[str]:
    """Return the names that match a name or pattern, as in `[data] features`."""
    return [pattern] if pattern in names else fnmatch.filter(names, pattern)


def _digest(part: object) -> str:
    return hashlib.blake2b(json.dumps(part).encode(), digest_size=16).hexdigest()
