"""The normal counterpart of an anomalous row."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.detector.reconstruction import last_rows
from aedetect.explain import blame_features, find_counterfactual

SPOILT = 40  # row in whose window one cell is wrong


@pytest.fixture(scope="module")
def prepared(learnt):
    """Matrix, observed, entity and ends of the training rows, as copies."""
    windows = next(iter(learnt.prepared.windows.values()))
    rows = len(windows.matrix)
    ends = np.arange(windows.length - 1, 300)
    return np.array(windows.matrix), np.array(windows.observed), np.zeros(rows, np.int32), ends


@pytest.fixture(scope="module")
def with_fault(prepared):
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


def test_a_fault_does_not_distort_the_expected_values_of_the_others(detector, prepared, with_fault):
    """Nor its own: both are nearer to the expected values without the fault."""
    clean = last_rows(detector.scorer.model, prepared[0], with_fault[3])
    smeared = last_rows(detector.scorer.model, with_fault[0], with_fault[3])
    made = find_counterfactual(detector.scorer, with_fault[0], with_fault[2], with_fault[3])
    assert (np.abs(made - clean) < np.abs(smeared - clean) / 4).all()


def test_blame_is_on_the_fault(detector, with_fault):
    """The faulty feature gets nearly all of the blame."""
    matrix, observed, entity, ends = with_fault
    expected = find_counterfactual(detector.scorer, matrix, entity, ends)
    parts = blame_features(detector.scorer, matrix, observed, expected, entity, ends)[0]
    assert parts[1] / parts.sum() > 0.95


def test_unobserved_cells_have_no_blame(detector, with_fault):
    """However far the imputed value is from the expected one."""
    matrix, observed, entity, ends = with_fault
    hidden = observed.copy()
    hidden[SPOILT, 1] = False
    expected = find_counterfactual(detector.scorer, matrix, entity, ends)
    parts = blame_features(detector.scorer, matrix, hidden, expected, entity, ends)
    assert parts[0, 1] == 0
    assert parts[0, 0] > 0


def test_a_row_does_not_depend_on_its_neighbours(detector, prepared, with_fault):
    """Alone or among hundreds, to the last bit."""
    matrix, _, entity, _ = with_fault
    ends = prepared[3]
    together = find_counterfactual(detector.scorer, matrix, entity, ends)
    alone = [
        find_counterfactual(detector.scorer, matrix, entity, ends[[row]])[0] for row in (0, 37, 99)
    ]
    np.testing.assert_array_equal(together[[0, 37, 99]], alone)
