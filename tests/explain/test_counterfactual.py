"""What a strange row would be were it normal."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.detector.reconstruction import last_rows
from aedetect.explain import blame_features, find_counterfactual

SPOILT = 40  # row in whose window one cell is wrong


@pytest.fixture(scope="module")
def prepared(learnt):
    """Matrix, observed, entity and ends of the rows learnt from, as copies."""
    windows = next(iter(learnt.prepared.windows.values()))
    rows = len(windows.matrix)
    ends = np.arange(windows.length - 1, 300)
    return np.array(windows.matrix), np.array(windows.observed), np.zeros(rows, np.int32), ends


@pytest.fixture(scope="module")
def spoilt(prepared):
    """The same with one cell of "b" far off."""
    matrix, observed, entity, _ = prepared
    wrong = matrix.copy()
    wrong[SPOILT, 1] += 9.0
    return wrong, observed, entity, np.array([SPOILT])


def test_a_normal_row_is_expected_as_it_is_reconstructed(detector, prepared):
    """Where no cell is far off, nothing is replaced."""
    matrix, _, entity, ends = prepared
    made = find_counterfactual(detector.scorer, matrix, entity, ends)
    np.testing.assert_allclose(made, last_rows(detector.scorer.model, matrix, ends), atol=1e-5)


def test_a_fault_does_not_spoil_what_is_expected_of_the_others(detector, prepared, spoilt):
    """Nor of itself: both are nearer to what is expected without the fault."""
    clean = last_rows(detector.scorer.model, prepared[0], spoilt[3])
    smeared = last_rows(detector.scorer.model, spoilt[0], spoilt[3])
    made = find_counterfactual(detector.scorer, spoilt[0], spoilt[2], spoilt[3])
    assert (np.abs(made - clean) < np.abs(smeared - clean) / 4).all()


def test_blame_is_on_the_fault(detector, spoilt):
    """Nearly all of it."""
    matrix, observed, entity, ends = spoilt
    expected = find_counterfactual(detector.scorer, matrix, entity, ends)
    parts = blame_features(detector.scorer, matrix, observed, expected, entity, ends)[0]
    assert parts[1] / parts.sum() > 0.95


def test_what_was_not_observed_has_no_blame(detector, spoilt):
    """However far the value carried there is from what is expected."""
    matrix, observed, entity, ends = spoilt
    hidden = observed.copy()
    hidden[SPOILT, 1] = False
    expected = find_counterfactual(detector.scorer, matrix, entity, ends)
    parts = blame_features(detector.scorer, matrix, hidden, expected, entity, ends)
    assert parts[0, 1] == 0
    assert parts[0, 0] > 0


def test_a_row_does_not_depend_on_its_neighbours(detector, prepared, spoilt):
    """Alone or among hundreds, to the last bit."""
    matrix, _, entity, _ = spoilt
    ends = prepared[3]
    together = find_counterfactual(detector.scorer, matrix, entity, ends)
    alone = [
        find_counterfactual(detector.scorer, matrix, entity, ends[[row]])[0] for row in (0, 37, 99)
    ]
    np.testing.assert_array_equal(together[[0, 37, 99]], alone)
