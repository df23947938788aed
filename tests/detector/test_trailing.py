"""Exact means over the last rows of a time, and time in parts of the period."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.data import Rows, Schema
from aedetect.detector.ticks import GRID, TICKS, tick_length, ticks_of
from aedetect.detector.trailing import (
    as_sum,
    first_rows,
    reaching,
    running_sums,
    trailing_means,
)

MINUTE = 60 * 10**9


def schema_of(period=MINUTE, rates=()):
    """A schema of one period."""
    return Schema(
        timestamp="time",
        aware=False,
        entity="unit",
        features=(),
        context=(),
        period=period,
        max_gap=5 * period,
        rates=rates,
    )


def rows_of(*times, names=None):
    """Rows of one entity after another, from times in minutes."""
    entity = np.repeat(np.arange(len(times), dtype=np.int32), [len(each) for each in times])
    time = np.concatenate([np.asarray(each, dtype=np.int64) for each in times]) * MINUTE
    known = tuple(names or (f"m{n}" for n in range(len(times))))
    return Rows(time=time, entity=entity, names=known, values=np.zeros((len(time), 1)))


def test_means_are_those_of_the_last_rows_that_are_young_enough():
    """One by one, with a gap, a row left out, and a row whose window is empty."""
    minutes = np.array([0, 1, 2, 3, 9, 10, 11])
    tick = minutes * TICKS
    values = np.array([1.0, 2, 4, 8, 16, 32, 64])
    used = np.array([True, True, False, True, True, True, True])
    at = np.arange(len(minutes))
    found = trailing_means(values, used, first_rows(tick, at, rows=3), at)
    expected = []
    for row in at:
        near = (minutes > minutes[row] - 3) & (at <= row) & (at > row - 3) & used
        expected.append(values[near].mean() if near.any() else values[row])
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_a_mean_of_no_used_row_is_the_value_itself():
    """A row of planned work still has a score."""
    none = np.zeros(1, dtype=bool)
    assert trailing_means(np.array([3.0]), none, np.array([0]), np.array([0])).tolist() == [3.0]


def test_more_rows_than_periods_do_not_reach_further():
    """Of rows that come faster than their period, the last ones count."""
    tick = np.arange(50) * (TICKS // 10)
    assert first_rows(tick, np.array([49]), rows=4).tolist() == [46]


def test_sums_do_not_depend_on_what_was_added_before():
    """Bitwise: the mean of the same rows, behind huge values or none."""
    random = np.random.default_rng(0)
    part = random.lognormal(0, 4, size=300).astype(np.float32)
    whole = np.concatenate([random.lognormal(9, 3, size=999).astype(np.float32), part])
    alone, after = running_sums(part), running_sums(whole)
    found = as_sum(alone[60:] - alone[:-60])
    assert found.tobytes() == as_sum(after[999 + 60 :] - after[999:-60]).tobytes()
    assert found[0] == pytest.approx(part[:60].sum(), rel=1e-6)


def test_rows_that_reach_a_row_are_marked():
    """Within as many periods before it, and the row itself."""
    tick = np.array([0, 1, 2, 5, 6]) * TICKS
    assert reaching(tick, np.array([3]), rows=4).tolist() == [False, False, True, True, False]
    assert not reaching(tick, np.array([], dtype=np.int64), rows=4).any()


def test_ticks_ascend_and_keep_entities_apart():
    """Rows of the same time in two entities; each keeps its place in the grid."""
    rows = rows_of([100, 101, 103], [3, 100], [7])
    tick = ticks_of(rows, schema_of())
    assert (np.diff(tick) > 0).all()
    own = tick[[1, 2, 4]] - tick[[0, 1, 3]]
    assert (own / TICKS).tolist() == [1, 2, 97]
    assert ((tick - rows.time // (MINUTE // TICKS)) % (GRID * TICKS) == 0).all()
    assert tick[3] - tick[2] >= 720 * TICKS


def test_ticks_of_a_row_do_not_depend_on_other_rows():
    """Modulo the grid, and in their differences."""
    whole = ticks_of(rows_of([5, 6, 9], [3, 100, 107]), schema_of())
    part = ticks_of(rows_of([100, 107]), schema_of())
    assert (np.diff(part) == np.diff(whole[4:])).all()
    assert ((whole[4:] - part) % (GRID * TICKS) == 0).all()


def test_a_tick_is_never_so_short_that_ticks_overflow():
    """Of a period of a microsecond or less, it is a microsecond."""
    assert tick_length(np.array([1, 10**6, MINUTE])).tolist() == [1_000, 1_000, MINUTE // 1_000]


def test_no_rows_have_no_ticks():
    """An empty batch is accepted."""
    assert len(ticks_of(rows_of([]), schema_of())) == 0
