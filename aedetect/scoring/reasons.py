"""Why rows are not scored: texts that are true of the very row and its entity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Int32, Int64, any_in_row, count_in_row
from aedetect.data.counters import without_reading_before
from aedetect.output.schemas import UNSEEN
from aedetect.timestamps import round_duration

if TYPE_CHECKING:
    from aedetect.arrays import Bool
    from aedetect.data import Rows
    from aedetect.detector import CalibratedScorer, Scorer
    from aedetect.preprocessing import Prepared

DUPLICATE = "duplicate timestamp"
_ENTITY_MISSING, _ALL_MISSING = "entity is missing", "all features are missing"


def unscored_reasons(
    detector: CalibratedScorer, rows: Rows, prepared: Prepared, back: Int64
) -> tuple[tuple[str, ...], Int32]:
    """Return all possible reasons, and the index of the reason of each row that is not scored.

    The most specific reason has priority, so it is set last. That of duplicates is the last.
    """
    scorer = detector.scorer
    names, needed = scorer.schema.names, scorer.preparation.min_observed
    few = (f"{n} of {len(names)} features observed, {needed} needed" for n in range(1, needed))
    texts = [_short(scorer), UNSEEN, _ENTITY_MISSING, _ALL_MISSING, *few]
    reason = np.zeros(len(rows), dtype=np.int32)
    if scorer.alignment == "causal":
        _set_interrupted(scorer, rows, back, reason, texts)
    counted = scorer.counted(prepared.observed)
    masks = scorer.preparation.masks
    kept_out = prepared.stale.shape[1] - count_in_row(prepared.stale) < needed
    first = without_reading_before(rows, scorer.schema)  # of a counter: nothing is missing there
    kept_out &= masks & ~any_in_row(prepared.stale & first)
    too_few = (scorer.covered(back) | kept_out) & (counted < needed)
    reason[too_few] = texts.index(_ALL_MISSING) + counted[too_few]
    _set_missing(scorer, rows, prepared.stale & ~first, reason, texts)
    infinite = np.flatnonzero(any_in_row(prepared.infinite))
    reason[infinite] = len(texts) + prepared.infinite[infinite].argmax(axis=1)
    texts += [f"{name} is infinite" for name in names]
    if detector.calibration.unseen == "refuse":
        reason[prepared.entity < 0] = texts.index(UNSEEN)
    reason[nameless(detector, rows)] = texts.index(_ENTITY_MISSING)
    return (*texts, DUPLICATE), reason


def nameless(detector: CalibratedScorer, rows: Rows) -> Bool:
    """Return which rows lack a required entity, and may belong to several: (R,)."""
    needed = detector.scorer.schema.entity is not None
    missing = np.array([needed and name is None for name in rows.names], dtype=np.bool_)
    return np.asarray(missing[rows.entity])


def _short(scorer: Scorer) -> str:
    """Report that there are not enough rows around a row."""
    if scorer.alignment == "centered":
        return f"no full window of {scorer.length} rows covers it"
    return f"needs {max(scorer.length - 1, scorer.schema.counts)} earlier rows"


def _set_interrupted(
    scorer: Scorer, rows: Rows, back: Int64, reason: Int32, texts: list[str]
) -> None:
    """Report what lies between rows and earlier ones: a gap, or rows with missing values.

    Only earlier rows within the lookback count, for a row has the same reason whatever else was
    read with it.
    """
    few = np.flatnonzero((back >= 0) & (back < scorer.length - 1))
    begin = few - back[few]
    few, begin = few[~rows.starts[begin]], begin[~rows.starts[begin]]
    seen = rows.time[few] - rows.time[begin - 1] <= scorer.lookback
    few, begin = few[seen], begin[seen]
    longest = scorer.schema.max_gaps(rows)[few]
    gap = np.where(rows.time[begin] - rows.time[begin - 1] > longest, longest, -1)

    def say(longest: int) -> str:
        what = "missing values" if longest < 0 else f"a gap over {round_duration(longest)}"
        return f"{_short(scorer)} without {what}"

    _set_texts(few, gap[:, None], say, reason, texts)


def _set_missing(scorer: Scorer, rows: Rows, stale: Bool, reason: Int32, texts: list[str]) -> None:
    """Report rows that lack features for too long which, and for how long at least."""
    names = scorer.schema.names
    limits = scorer.preparation.limits(rows.names)[rows.entity]
    fills = scorer.preparation.missing == "forward_fill"

    def longer(limit: int) -> str:
        return f" for longer than {round_duration(limit)}" if fills else ""

    if not scorer.preparation.masks:
        found = np.flatnonzero(any_in_row(stale))
        keys = np.stack([stale[found].argmax(axis=1), limits[found]], axis=1)
        _set_texts(found, keys, lambda f, n: f"{names[f]} is missing{longer(n)}", reason, texts)
    if len(names) > 1:  # a gap in the whole row is no fault of its first column
        found = np.flatnonzero(count_in_row(stale) == stale.shape[1])
        keys = limits[found][:, None]
        _set_texts(found, keys, lambda n: f"{_ALL_MISSING}{longer(n)}", reason, texts)


def _set_texts(
    rows: Int64, keys: Int64, text: Callable[..., str], reason: Int32, texts: list[str]
) -> None:
    """Add the text of each different key, and set it as the reason of its rows: (N,), (N, K)."""
    kinds, kind = np.unique(keys, axis=0, return_inverse=True)
    reason[rows] = len(texts) + kind.reshape(-1)
    texts += [text(*each) for each in kinds.tolist()]
