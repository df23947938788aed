"""Denoise a table: the model's reconstruction of each row, in original units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.applications.counter_levels import CounterLevels
from aedetect.applications.overlap import expect, in_units
from aedetect.applications.rewrite import CellChange, Context
from aedetect.data.rates import MISSING_LIMIT_PERIODS
from aedetect.preprocessing import positions
from aedetect.timestamps import round_duration

if TYPE_CHECKING:
    from aedetect.data import Rows
    from aedetect.detector import Scorer


def clean_reach(scorer: Scorer) -> Context:
    """Return which rows around a row its cleaned value depends on."""
    around = scorer.length - 1
    return Context(behind=around, ahead=around, lookback=scorer.lookback)


def clean_rows(scorer: Scorer, rows: Rows) -> CellChange:
    """Replace the cells of rows by the mean reconstruction over the windows that cover them.

    A row is cleaned when it lies in a full window, as defined for scoring. Missing cells stay
    missing (`impute` fills them), and a row with an infinite cell stays unchanged. A counter takes
    the level before, and the expected increase.
    """
    kept = np.flatnonzero(~rows.duplicates)
    counters = CounterLevels.of(rows.take(kept), scorer.schema)
    unique = counters.increases
    prepared = scorer.preparation.transform(unique)
    infinite = prepared.infinite.any(axis=1)
    back = positions(
        unique.time,
        starts=unique.starts,
        usable=prepared.usable,
        max_gap=scorer.schema.max_gaps(unique),
    )
    ends = np.flatnonzero(back >= scorer.length - 1)
    expected, covered = expect(scorer, prepared.matrix, ends)
    reasons = (
        f"no full window of {scorer.length} rows covers it",
        f"a feature is missing for longer than {_limit(scorer)}",
        "a feature is infinite",
        "unseen entity",
        "repeats a timestamp",
    )
    reason = np.full(len(rows), len(reasons) - 1)
    conditions = (prepared.entity < 0, infinite, covered, prepared.stale.any(axis=1))
    reason[kept] = np.select(conditions, (3, 2, -1, 1), default=0)
    values = rows.values.copy()
    values[kept] = counters.next_levels(in_units(scorer.preparation, expected, prepared))
    wanted = ~np.isnan(rows.values)
    return CellChange(values=values, wanted=wanted, reason=reason, reasons=reasons)


def _limit(scorer: Scorer) -> str:
    """Return how long a value is filled forward, as text; entities may differ in it."""
    if scorer.preparation.rates:
        return f"{MISSING_LIMIT_PERIODS} rows of its entity"
    return round_duration(scorer.preparation.missing_limit)
