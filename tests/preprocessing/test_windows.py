"""Rows <-> windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aedetect.data import Rows
from aedetect.preprocessing import Windows, positions
from aedetect.preprocessing.windows import gather, surrounded, with_context


def test_windows_are_the_rows_up_to_their_ends():
    """In order, the end included."""
    matrix = np.arange(12, dtype=np.float32).reshape(6, 2)
    ends = np.array([2, 5, 3])
    expected = np.stack([matrix[end - 2 : end + 1] for end in ends])
    np.testing.assert_array_equal(gather(matrix, ends, length=3), expected)


def test_a_column_major_table_is_our_mistake():
    """As returned by pandas; its windows would have wrong numbers."""
    matrix = np.asfortranarray(np.zeros((5, 2), dtype=np.float32))
    with pytest.raises(AssertionError, match="row-major"):
        gather(matrix, np.array([3]), length=2)


def test_no_window_fits_too_few_rows():
    """None is requested and none is returned."""
    found = gather(np.zeros((2, 3), dtype=np.float32), np.array([], dtype=np.int64), length=4)
    assert found.shape == (0, 4, 3)


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), min_size=1))
def test_a_window_never_spans_a_gap_an_entity_or_an_unusable_row(table):
    """Equal to a loop over the rows."""
    steps, starts, usable = (np.array(column) for column in zip(*table, strict=True))
    time = np.cumsum(steps)
    starts[0] = True
    count, expected = -1, []
    for row in range(len(time)):
        joined = row > 0 and usable[row - 1] and not starts[row] and steps[row] <= 2
        count = (count + 1 if joined else 0) if usable[row] else -1
        expected.append(count)
    assert positions(time, starts=starts, usable=usable, max_gap=2).tolist() == expected


def test_a_step_of_exactly_the_largest_gap_is_none():
    """One nanosecond more is a gap."""
    on = np.ones(3, dtype=bool)
    starts = np.array([True, False, False])
    back = positions(np.array([0, 10, 21]), starts=starts, usable=on, max_gap=10)
    assert back.tolist() == [0, 1, 0]


def test_taking_windows_returns_which_cells_were_observed():
    """Values and marks come from the same rows."""
    matrix = np.arange(8, dtype=np.float32).reshape(4, 2)
    windows = Windows(matrix, matrix[:, :1] > 3, np.array([1, 3]), 2)
    values, observed = windows.take(np.array([1]))
    assert values[0].tolist() == [[4, 5], [6, 7]]
    assert observed[0].tolist() == [[True], [True]]


@pytest.mark.parametrize(("most", "left"), [(100, 10), (10, 10), (9, 5), (3, 3), (1, 1)])
def test_thinning_is_even(most, left):
    """At most the given number remain, evenly spaced."""
    windows = Windows(np.zeros((10, 1), np.float32), np.ones((10, 1), bool), np.arange(10), 1)
    ends = windows.thin(most).ends
    assert len(ends) == left
    assert len(set(np.diff(ends))) <= 1


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40), st.data())
def test_batches_come_behind_their_context_wherever_they_are_cut(steps, data):
    """Every row of the same entity within the lookback is before it."""
    time = np.cumsum(steps)
    entity = np.sort(data.draw(st.lists(st.integers(0, 2), min_size=len(time), max_size=len(time))))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(time) - 1))))
    table = Rows(
        time=time,
        entity=entity.astype(np.int32),
        names=("x", "y", None),
        values=np.arange(len(time), dtype=float)[:, None],
    )
    batches = [table.take(slice(a, b)) for a, b in zip([0, *cuts], [*cuts, len(time)], strict=True)]
    row = 0
    for joined, before in with_context(batches, lookback=4):
        for place in range(before, len(joined)):
            near = (entity[:row] == entity[row]) & (time[:row] >= time[row] - 4)
            own = joined.entity[:place] == joined.entity[place]
            given_rows = joined.values[:place, 0][own]
            assert set(np.flatnonzero(near)) <= set(given_rows.astype(int))
            assert joined.values[place, 0] == row
            row += 1
    assert row == len(time)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40), st.data())
def test_rows_have_their_turn_when_those_they_depend_on_are_there(steps, data):
    """Every row of the same entity within lookback and lookahead is around it.

    Of those before it that repeat a timestamp, the first is; a repeat stands behind its first.
    """
    time = np.cumsum(steps)
    entity = np.sort(data.draw(st.lists(st.integers(0, 2), min_size=len(time), max_size=len(time))))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(time) - 1))))
    ahead = data.draw(st.integers(0, 5))
    table = Rows(
        time=time,
        entity=entity.astype(np.int32),
        names=("x", "y", None),
        values=np.arange(len(time), dtype=float)[:, None],
    )
    batches = [table.take(slice(a, b)) for a, b in zip([0, *cuts], [*cuts, len(time)], strict=True)]
    row = 0
    for rows, turn in surrounded(batches, lookback=4, lookahead=ahead):
        for place in range(turn.start, turn.stop):
            assert rows.values[place, 0] == row
            near = (entity == entity[row]) & (time >= time[row] - 4) & (time <= time[row] + ahead)
            near &= (time > time[row]) | (np.arange(len(time)) <= row) | (ahead > 0)
            near &= ~table.duplicates | (time > time[row])
            own = rows.values[rows.entity == rows.entity[place], 0]
            assert set(np.flatnonzero(near)) <= set(own.astype(int))
            assert rows.duplicates[place] == table.duplicates[row]
            row += 1
    assert row == len(time)


def test_repeats_of_one_timestamp_are_not_kept():
    """However many rows have it, few are around the next ones."""
    batches = [
        Rows(
            time=np.zeros(100, dtype=np.int64),
            entity=np.zeros(100, dtype=np.int32),
            names=("x",),
            values=np.zeros((100, 1)),
        )
        for _ in range(50)
    ]
    given_rows = list(surrounded(batches, lookback=4))
    assert sum(turn.stop - turn.start for _, turn in given_rows) == 5_000
    assert max(len(rows) for rows, _ in given_rows) <= 101
    assert sum(rows.duplicates[turn].sum() for rows, turn in given_rows) == 4_999
