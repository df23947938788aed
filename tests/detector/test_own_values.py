"""What each column does by itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aedetect.detector.own_values import OwnValues, changes_of, learn_own_values

LENGTH = 4


@pytest.fixture(scope="module")
def matrix():
    """Rows of two columns and one of the calendar, of two entities of 300 rows each."""
    found = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
    found[300:, 1] *= 5
    return found


@pytest.fixture(scope="module")
def back():
    """Rows before each row of its entity."""
    return np.tile(np.arange(300), 2)


def learnt(matrix, back, rows):
    """What is learnt of some rows."""
    entity = (rows >= 300).astype(np.int32)
    changes = changes_of(matrix, back, rows, columns=2, length=LENGTH)
    seen = np.ones((len(rows), 2), dtype=np.bool_)
    return learn_own_values(matrix[rows, :2], changes, seen, entity, entities=2)


def test_a_change_is_that_from_the_mean_of_the_window(matrix, back):
    """Of as many rows as there are where a run begins."""
    rows = np.array([50, 300, 301, 599])
    found = changes_of(matrix, back, rows, columns=2, length=LENGTH)
    for row, change in zip(rows.tolist(), found, strict=True):
        count = min(back[row] + 1, LENGTH)
        mean = matrix[row - count + 1 : row + 1, :2].mean(axis=0)
        np.testing.assert_allclose(change, matrix[row, :2] - mean, atol=1e-6)


def test_a_change_does_not_depend_on_the_rows_beside_it(matrix, back):
    """To the bit."""
    rows = np.arange(600)
    whole = changes_of(matrix, back, rows, columns=2, length=LENGTH)
    for row in (0, 17, 599):
        alone = changes_of(matrix, back, rows[row : row + 1], columns=2, length=LENGTH)
        assert alone.tobytes() == whole[row : row + 1].tobytes()


def test_entities_have_values_of_their_own_and_the_unseen_those_of_all(matrix, back):
    """One in a hundred learnt from is unusual by level, and one in a hundred by change."""
    own = learnt(matrix, back, np.arange(600))
    assert own.high[1, 1] > 3 * own.high[0, 1]
    assert own.high[0, 1] < own.high[-1, 1] < own.high[1, 1]
    values, changes = matrix[:, :2], changes_of(matrix, back, np.arange(600), columns=2, length=4)
    entity = np.repeat(np.array([0, 1], dtype=np.int32), 300)
    assert 0 < own.unusual(values, changes, entity).mean() < 0.025
    assert own.unusual(values + 9, changes, entity)[:, 0].all()
    assert own.unusual(values, changes + 9, entity)[:, 0].all()


def test_few_rows_take_the_values_of_all(matrix, back):
    """They do not tell a range; and all that is learnt survives saving."""
    own = learnt(matrix, back, np.arange(310))
    np.testing.assert_array_equal(own.high[1], own.high[-1])
    restored = OwnValues.restored(json.loads(json.dumps(own.described())))
    for name, array in vars(own).items():
        np.testing.assert_array_equal(getattr(restored, name), array)


def test_a_column_that_was_never_observed_has_finite_values():
    """A detector with numbers that are not finite could not be loaded."""
    rows = np.zeros((200, 1), dtype=np.float32)
    own = learn_own_values(
        rows, rows, np.zeros((200, 1), dtype=np.bool_), np.zeros(200, dtype=np.int32), entities=1
    )
    assert all(np.isfinite(each).all() for each in vars(own).values())
    assert (own.change > 0).all()
