"""Means over the rows of one run."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aedetect.detector.smoothing import around, smoothed


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 4), st.integers(0, 4))
def test_rows_around_marked_ones_are_marked(marks, before, after):
    """The given numbers before and after each, and no others."""
    found = around(np.array(marks, dtype=bool), before=before, after=after)
    expected = [any(marks[max(row - after, 0) : row + before + 1]) for row in range(len(marks))]
    assert found.tolist() == expected


@given(st.data())
def test_means_are_those_of_a_loop(data):
    """Over the rows of the run at the offsets that have a value."""
    breaks = data.draw(st.lists(st.booleans(), min_size=1, max_size=30))
    count = len(breaks)
    run = np.cumsum(breaks)
    back = np.array([int((run[:row] == run[row]).sum()) for row in range(count)])
    has = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    rows = np.flatnonzero(has)
    start, stop = data.draw(st.integers(-5, 0)), data.draw(st.integers(1, 5))
    values = np.random.default_rng(0).normal(size=(len(rows), 2)).astype(np.float32)
    found = smoothed(values, rows, rows, back, range(start, stop))
    for place, row in enumerate(rows):
        near = [
            other
            for other in range(max(row + start, 0), min(row + stop, count))
            if run[other] == run[row] and has[other]
        ]
        expected = values[np.searchsorted(rows, near)].astype(float).mean(axis=0)
        np.testing.assert_allclose(found[place], expected, rtol=1e-5, atol=1e-6)
    alone = smoothed(values[:, 0], rows, rows, back, range(start, stop))
    assert alone.tobytes() == found[:, 0].tobytes()
