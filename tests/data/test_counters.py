"""Columns that only grow: found, and taken as their increase."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.data import Rows
from aedetect.data.counters import Counting, take_increases
from aedetect.data.growth import find_growth

MINUTE = 60 * 10**9
COUNTING = Counting((0,), MINUTE, 5 * MINUTE)


def rows_of(values, *, minutes=None, entity=None):
    """Rows of one column."""
    count = len(values)
    entity = np.zeros(count, np.int32) if entity is None else np.array(entity, np.int32)
    return Rows(
        time=(np.arange(count) if minutes is None else np.array(minutes)) * MINUTE,
        entity=entity,
        names=tuple("ab"),
        values=np.array(values, dtype=float).reshape(count, -1),
    )


def increases(rows, counting=COUNTING):
    """The increases of the first column, of all rows at once."""
    (taken,) = take_increases([rows], counting)
    return taken.values[:, 0].tolist()


def test_an_increase_is_that_since_the_reading_before():
    """The first row has none, nor has one whose counter started again; infinite values stay."""
    nan = np.nan
    given = rows_of([10, 12, 15, 3, 4, np.inf, 9])
    assert np.array_equal(increases(given), [nan, 2, 3, nan, 1, np.inf, 2.5], equal_nan=True)


def test_a_longer_step_counts_for_one_period():
    """After a lost row or a missing cell the increase is no jump; after a gap there is none."""
    nan = np.nan
    lost = rows_of([0, 10, 30, 40], minutes=[0, 1, 3, 4])
    assert np.array_equal(increases(lost), [nan, 10, 10, 10], equal_nan=True)
    missing = rows_of([0, 10, nan, nan, 40])
    assert np.array_equal(increases(missing), [nan, 10, nan, nan, 10], equal_nan=True)
    gap = rows_of([0, 10, 70, 80], minutes=[0, 1, 7, 8])
    assert np.array_equal(increases(gap), [nan, 10, nan, 10], equal_nan=True)
    quick = rows_of([0, 10, 20], minutes=[0.0, 0.5, 1.0])
    assert np.array_equal(increases(quick), [nan, 10, 10], equal_nan=True)


def test_entities_and_repeated_timestamps_are_kept_apart():
    """An entity has no reading of another; the first of two rows at one moment is the reading."""
    nan = np.nan
    given = rows_of([0, 1, 100, 105], entity=[0, 0, 1, 1], minutes=[0, 1, 0, 1])
    assert np.array_equal(increases(given), [nan, 1, nan, 5], equal_nan=True)
    again = rows_of([0, 10, 999, 20], minutes=[0, 1, 1, 2])
    assert np.array_equal(increases(again), [nan, 10, nan, 10], equal_nan=True)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_the_result_does_not_depend_on_batches(size):
    """Cut anywhere: in a gap, between repeated timestamps, at the start of an entity."""
    random = np.random.default_rng(0)
    levels = np.cumsum(random.integers(0, 9, 200)).astype(float)
    levels[random.random(200) < 0.2] = np.nan
    levels[150:] -= levels[149] if np.isfinite(levels[149]) else 0
    minutes = np.cumsum(random.integers(0, 4, 200))
    minutes[100:] -= minutes[100]
    given = rows_of(levels, minutes=minutes, entity=[0] * 100 + [1] * 100)
    parts = [given.take(slice(start, start + size)) for start in range(0, 200, size)]
    cut = np.concatenate([part.values[:, 0] for part in take_increases(parts, COUNTING)])
    assert np.array_equal(cut, increases(given), equal_nan=True)
    assert np.isfinite(cut).sum() > 100


def test_what_only_grows_is_found():
    """A meter with resets and idle times, not a wave, a noise, a setpoint or a constant."""
    random, rows = np.random.default_rng(0), 10_000
    meter = np.cumsum(random.integers(0, 3, rows)) % 4096.0
    wave = np.sin(np.arange(rows) / 700)
    setpoint = np.arange(rows) // 600
    level = np.cumsum(random.normal(0, 1, rows))
    row = np.arange(rows) % 8000
    given = rows_of(np.column_stack([meter, wave, setpoint, level, row, np.ones(rows)]))
    found = find_growth(given, range(6))
    assert set(found) == {0, 4}
    assert found[4].is_row_number
    assert not found[0].is_row_number


def test_hours_of_operation_are_a_clock():
    """Rounded to two decimals, and although the machine stops now and then; a meter is none."""
    random, rows = np.random.default_rng(0), 10_000
    runs = np.ones(rows)
    runs[[*range(2000, 2030), *range(7000, 7030)]] = 0
    hours = np.round(12_000 + np.cumsum(runs / 6), 2)
    half = np.round(np.cumsum(np.arange(rows) % 144 < 72) / 6, 2)  # off every night
    steady = np.cumsum(np.round(random.normal(5, 0.05, rows), 1))  # a meter in steps of 0.1
    exact = np.cumsum(random.normal(5, 0.01, rows))
    found = find_growth(rows_of(np.column_stack([hours, half, steady, exact])), range(4))
    assert [found[column].is_row_number for column in range(4)] == [True, False, False, False]
