"""Segments injected among held-out rows."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.evaluation.injected_segments import KINDS, HeldOutSeries, inject_segments

ROWS = 2_000


@pytest.fixture
def held_out():
    """Two series of three sensors, the third of which never changes."""
    random = np.random.default_rng(0)
    matrix = np.cumsum(random.normal(size=(ROWS, 3)), axis=0).astype(np.float32) / 10
    matrix[:, 2] = 1
    std = np.array([[1.0, 2.0, 0.0]] * 2)
    return HeldOutSeries(matrix, [(0, 900), (1_000, ROWS)], np.arange(3), std)


def stretches(changed):
    """First and last row of each run of changed rows."""
    edge = np.flatnonzero(np.diff(np.concatenate([[0], changed.astype(int), [0]])))
    return edge.reshape(-1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_segments_are_marked_and_leave_the_rest_alone(held_out, kind):
    """They end again, and stand in the series only, in the columns that vary."""
    matrix, changed = inject_segments(held_out, kind, seed=(1,))
    differs = (matrix != held_out.matrix).any(axis=1)
    assert np.array_equal(differs, changed)
    assert 0.02 < changed.mean() < 0.4 or kind == "spike"
    assert changed.any()
    assert not changed[900:1_000].any()
    assert np.array_equal(matrix[:, 2], held_out.matrix[:, 2])
    longest = 3 if kind == "spike" else 300
    assert all(stop - start <= longest for start, stop in stretches(changed))


def test_the_same_seed_plants_the_same(held_out):
    """And another seed others, so that candidates are compared on the same rows."""
    first, again, other = (inject_segments(held_out, "drift", seed=(s,))[0] for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("kind", "most"), [("spike", 8), ("level_shift", 3), ("drift", 4)])
def test_sizes_are_in_standard_deviations_of_the_series(held_out, kind, most):
    """The second column varies twice as much."""
    moved = np.abs(inject_segments(held_out, kind, seed=(3,))[0] - held_out.matrix).max(axis=0)
    assert moved[0] <= most * 1.001
    assert moved[1] <= 2 * most * 1.001
    assert moved[:2].max() > 1


def test_a_stuck_sensor_repeats_its_first_reading(held_out):
    """Until it recovers."""
    matrix, changed = inject_segments(held_out, "stuck", seed=(4,))
    for start, stop in stretches(changed):
        column = np.flatnonzero((matrix != held_out.matrix)[start:stop].any(axis=0))[0]
        assert len(set(matrix[start:stop, column].tolist())) == 1
