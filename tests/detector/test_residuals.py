"""Statistics of typical residuals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from aedetect.detector.residuals import (
    NATS,
    by_feature,
    learn_sizes,
    learn_tails,
    learn_whitening,
    magnitudes,
)


def ones(count):
    """Entity 0 for all rows."""
    return np.zeros(count, dtype=np.int32)


def test_sizes_are_by_entity_where_there_are_rows_enough():
    """Few rows take the size of all, which comes last; unobserved cells do not count."""
    entity = np.repeat(np.array([0, 1], dtype=np.int32), [500, 5])
    residual = np.full((505, 1), 3, dtype=np.float32)
    residual[500:] = 1e6
    seen = np.ones((505, 1), dtype=bool)
    seen[500:] = False
    sizes = learn_sizes(residual, seen, entity, entities=2)
    np.testing.assert_allclose(sizes, [[3], [3], [3]], rtol=1e-6)


def test_a_perfect_reconstruction_does_not_divide_by_nothing():
    """The size of a residual has a floor, and so have tail and covariance."""
    nothing, seen = np.zeros((2000, 2), dtype=np.float32), np.ones((2000, 2), dtype=bool)
    assert (learn_sizes(nothing, seen, ones(2000), entities=1) > 0.01).all()
    assert np.isfinite(learn_whitening(nothing, seen)).all()
    tails = learn_tails(nothing, seen, ones(2000), entities=1)
    assert (tails[:, :, 1:] > 0).all()


def test_whitening_is_the_symmetric_inverse_root_of_the_shrunk_covariance():
    """Where the sizes are 1, equal to scikit-learn's."""
    random = np.random.default_rng(0)
    mixing = np.array([[2.0, 1, 0], [0, 2, 1], [1, 0, 2]])
    sized = (random.normal(size=(500, 3)) @ mixing).astype(np.float32)
    found = learn_whitening(sized, np.ones(sized.shape, dtype=bool))
    covariance = LedoitWolf(assume_centered=True).fit(sized.astype(float)).covariance_
    np.testing.assert_allclose(found, found.T, atol=1e-6)
    np.testing.assert_allclose(found @ covariance @ found, np.eye(3), atol=1e-4)
    squares = np.square(sized @ found).sum(axis=1)
    distance = np.einsum("ni,ij,nj->n", sized, np.linalg.inv(covariance), sized)
    np.testing.assert_allclose(squares, distance, rtol=1e-3)


def test_tails_are_the_quantiles_and_the_mean_excess():
    """Of an exponential variable, quantiles in nats and an excess of its mean."""
    values = np.random.default_rng(0).exponential(3, size=(200_000, 1)).astype(np.float32)
    seen = np.ones(values.shape, dtype=bool)
    tail = learn_tails(values, seen, ones(len(values)), entities=1)[0, 0]
    np.testing.assert_allclose(tail[:-1], 3 * NATS, rtol=0.03, atol=0.02)
    assert tail[-1] == pytest.approx(3, rel=0.1)


def test_tails_are_by_entity_where_there_are_rows_enough():
    """Few rows take the quantiles of all, unobserved cells do not count."""
    random = np.random.default_rng(0)
    values = np.abs(random.normal(size=(5010, 1))).astype(np.float32)
    values[2000:4000] *= 10
    values[4000:5000] = 1e6
    seen = np.ones(values.shape, dtype=bool)
    seen[4000:5000] = False
    entity = np.repeat(np.arange(4, dtype=np.int32), [2000, 2000, 1000, 10])
    tails = learn_tails(values, seen, entity, entities=4)
    np.testing.assert_array_equal(tails[2], tails[3])
    assert tails[0, 0, -2] < 4 < tails[3, 0, -2] < 40
    assert tails[1, 0, -2] == pytest.approx(10 * tails[0, 0, -2], rel=0.2)


def test_columns_of_a_category_count_as_one_feature():
    """Their parts are added, and their residuals have one norm."""
    owner = np.array([0, 1, 1, 2])
    cells = np.array([[1, 3, 4, 2]], dtype=np.float32)
    assert by_feature(cells, owner).tolist() == [[1, 7, 2]]
    seen = np.array([[True, True, True, False]])
    assert magnitudes(-cells, seen, owner).tolist() == [[1, 5, 0]]
