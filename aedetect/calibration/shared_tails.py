"""Tails of all entities at once: one shape for all, fitted to peaks of stretches, own scales.

With a few hundred rows an entity has a dozen peaks, too few for a tail of its own. An entity with
fewer leans on the scale that the spread of its scores lets expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration.shared_shape import fit_scales, fit_shape, unit_excess
from aedetect.calibration.stretches import SortedScores, Stretches, find_stretches
from aedetect.calibration.tail import CRITICAL, MIN_EXCESSES, Tail, anderson_darling

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int32, Int64
    from aedetect.calibration.forecast import Timing
    from aedetect.calibration.held_out import HeldOut

EXCESSES = 250  # rows above the start, where there are so many: the nearer the end, the better
LEAST_SHARE, MOST_SHARE = 0.005, 0.1
PEAKS, PEAKS_IN_ALL = 20, 60  # largest peaks that a tail is fitted to, of an entity and of few
CENSORED = 0.05  # of an entity's peaks, one at least: one incident must not widen all tails
HEAVIEST = 0.5  # shape; sizes far out grow only logarithmically, see [prepare] clip
BORROWED = 5.0  # excesses that the expected scale counts as
MIN_ROWS = 300  # of an entity whose tail may support a promise
_MOST_CHECKED = 1_000  # excesses in the common check; with more, any small misfit shows


@dataclass(frozen=True)
class SharedTails:
    """Tails of the scores of each entity: (E,) each.

    start, share, scale as in `Tail`; excesses: peaks of stretches; per_row: events for each row
    above the start; fits: whether it may support a promise.
    """

    shape: float
    start: Float64
    share: Float64
    scale: Float64
    excesses: Int64
    per_row: Float64
    fits: Bool

    def of_entity(self, code: int) -> Tail:
        """Return the tail of one entity."""
        return Tail(
            float(self.start[code]),
            float(self.share[code]),
            self.shape,
            float(self.scale[code]),
            int(self.excesses[code]),
            bool(self.fits[code]),
        )

    def scores_at(self, level: Float64 | float) -> Float64:
        """Return the score that this share of normal rows exceeds, at least the start: (E,)."""
        ratio = np.log(np.minimum(level / self.share, 1.0))
        return np.asarray(self.start + self.scale * np.expm1(-self.shape * ratio) / self.shape)


def fit_shared_tails(rows: HeldOut, ordered: SortedScores, timing: Timing) -> SharedTails:
    """Fit the tails of normal rows, sorted by entity.

    Near the lower start stretches have many rows, of which few are left further up: so the share of
    rows is counted where the tail starts, above which lie at most `PEAKS` of an entity.
    """
    count = ordered.count
    entities = len(count)
    low = ordered.starts(np.clip(EXCESSES / np.maximum(count, 1), LEAST_SHARE, MOST_SHARE))
    found = _largest(find_stretches(rows, low, timing), entities)
    start = low + found.further
    peaks = np.bincount(found.entity, minlength=entities).astype(np.int64)
    peak, owner, share = found.excess, found.entity, CENSORED
    shape = min(fit_shape(peak, owner, entities=entities, censored_share=share), HEAVIEST)
    own = fit_scales(peak, owner, shape, entities=entities, censored_share=share)
    expected = _expected_scales(ordered, start, own, peaks)
    scale = (peaks * own + BORROWED * expected) / (peaks + BORROWED)
    above = np.bincount(rows.entity[rows.score > start[rows.entity]], minlength=entities)
    return SharedTails(
        shape=shape,
        start=start,
        share=(above + 1) / (count + 1),
        scale=scale,
        excesses=peaks,
        per_row=(np.minimum(peaks, above) + 1) / (above + 1),
        fits=_fits(found, shape, scale, count),
    )


@dataclass(frozen=True)
class _Largest:
    """The largest peaks of each entity, as excesses over the next one: (S,), (S,).

    further (E,): excess of that next one over the start of the stretches; 0 when there is none.
    """

    excess: Float64
    entity: Int32
    further: Float64


def _largest(found: Stretches, entities: int) -> _Largest:
    order = np.lexsort((-found.peak, found.entity))
    owner, peak = found.entity[order], found.peak[order]
    count = np.bincount(owner, minlength=entities)
    first = np.cumsum(count) - count
    further = np.zeros(entities)
    most = max(PEAKS, PEAKS_IN_ALL // entities)
    more = count > most
    further[more] = peak[first[more] + most]
    excess = peak - further[owner]
    kept = (np.arange(len(order)) - first[owner] < most) & (excess > 0)
    return _Largest(excess[kept], owner[kept], further)


def _expected_scales(
    ordered: SortedScores, start: Float64, scale: Float64, peaks: Int64
) -> Float64:
    """Return the scale that the spread of an entity's scores lets expect: (E,).

    The spread is the distance from the median to the start. Without any spread the scale is that of
    the scores' size, as in `tail`.
    """
    middle = ordered.with_above(np.maximum(ordered.count // 2, 1))
    size = np.maximum(np.abs(np.where(np.isfinite(start), start, 1.0)), 1e-12)
    with np.errstate(invalid="ignore"):
        spread = np.where(np.isfinite(start), start - middle, 0.0)
    known = (peaks >= BORROWED) & (spread > 0)
    ratio = float(np.median(scale[known] / spread[known])) if known.any() else 1.0
    return np.where(spread > 0, ratio * spread, size)


def _fits(found: _Largest, shape: float, scale: Float64, count: Int64) -> Bool:
    """Return whose tail may support a promise: (E,).

    All are checked together, in units of their scales: one entity has too few peaks to tell.
    """
    if len(found.excess) < MIN_EXCESSES:
        return np.zeros(len(count), dtype=np.bool_)
    unit = unit_excess(found.excess, scale[found.entity], shape)
    thinned = unit[:: -(-len(unit) // _MOST_CHECKED)]
    misfit = anderson_darling(thinned, 0.0, float(thinned.mean()))
    return np.asarray((count >= MIN_ROWS) & (misfit <= CRITICAL[0]))
