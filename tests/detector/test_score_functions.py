"""Residuals -> parts and scores, compared with slow references, and the checks of all scores."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from aedetect.calibration.settings import ScoreName
from aedetect.detector.residuals import NATS
from aedetect.detector.score_functions import PARTS, combined, learn_residuals
from aedetect.testing import SCORE_CHECKS, score_case

OWNER = np.array([0, 1, 1, 2, 3])  # the second of four features is a category
FIRST = np.array([0, 1, 3, 4])
TOP_K = 2


@pytest.fixture(scope="module", params=PARTS)
def case(request):
    """One score after another."""
    return score_case(request.param)


def score(name, residual, seen, entity, fitted):
    """Parts and score."""
    parts = PARTS[name](residual.copy(), seen, entity, fitted, OWNER)
    return parts, combined(name, parts, seen[:, FIRST].sum(axis=1), top_k=TOP_K)


@pytest.mark.parametrize("check", SCORE_CHECKS, ids=lambda check: check.__name__)
def test_every_score(check, case):
    """Every check holds for every score."""
    check(case)


def test_every_score_has_its_parts():
    """Except for the bound, which is computed by the network."""
    assert set(PARTS) == set(get_args(ScoreName)) - {"elbo"}


def features_of(cells):
    """Add the columns of each feature, one by one."""
    return [cells[0], cells[1] + cells[2], cells[3], cells[4]]


def reference(name, row, seen, code, fitted):
    """The parts of one row, cell by cell."""
    sized = row / fitted.size[code]
    if name in ("mse", "ensemble"):  # of a row alone
        parts = features_of(row**2)
    elif name in ("standardized", "top_k"):
        parts = features_of(sized**2)
    elif name == "mahalanobis":
        parts = features_of((fitted.whitening.astype(float) @ (sized * seen)) ** 2)
    else:
        parts = []
        for size, tail in zip(np.sqrt(features_of(row**2)), fitted.tail[code], strict=True):
            below = [k for k in range(len(NATS)) if tail[k] <= size]
            k = below[-1]
            if k == len(NATS) - 1:
                parts.append(NATS[k] + (size - tail[k]) / tail[-1])
            else:
                share = (size - tail[k]) / (tail[k + 1] - tail[k])
                parts.append(NATS[k] + share * (NATS[k + 1] - NATS[k]))
    return np.array(parts) * seen[FIRST]


def test_parts_are_those_of_a_slow_reference(case):
    """Row by row, cell by cell."""
    name, fitted = case.name, case.fitted
    residual, seen, entity = case.fresh.residual, case.fresh.seen, case.fresh.entity
    parts, scores = case.score(case.fresh)
    for row in range(0, len(residual), 7):
        expected = reference(name, residual[row].astype(float), seen[row], entity[row], fitted)
        np.testing.assert_allclose(parts[row], expected, rtol=1e-4, atol=1e-5)
        counted = seen[row, FIRST].sum()
        most = min(max(counted, 1), TOP_K) if name == "top_k" else max(counted, 1)
        largest = sorted(expected)[-TOP_K:] if name == "top_k" else expected
        assert scores[row] == pytest.approx(sum(largest) / most, rel=1e-4, abs=1e-5)


def test_standardized_takes_the_size_of_the_entity():
    """A residual three times as large scores the same in an entity with such residuals."""
    case = score_case("standardized")
    fitted = case.fitted
    residual = np.repeat(case.history.residual[:1], 2, axis=0)
    residual[1] *= fitted.size[1] / fitted.size[0]
    seen, entity = np.ones(residual.shape, dtype=bool), np.array([0, 1], dtype=np.int32)
    scores = score("standardized", residual, seen, entity, fitted)[1]
    assert scores[0] == pytest.approx(scores[1])


def test_mahalanobis_finds_a_broken_correlation():
    """Two residuals against their correlation are more anomalous than two along it."""
    random = np.random.default_rng(0)
    both = random.normal(size=(5000, 1)) + random.normal(scale=0.3, size=(5000, 5))
    history = both.astype(np.float32), np.ones((5000, 5), dtype=bool), np.zeros(5000, np.int32)
    fitted = learn_residuals("mahalanobis", *history, entities=1, owner=OWNER)
    residual = np.array([[1, 1, 1, 1, 1], [1, -1, 1, -1, 1]], dtype=np.float32)
    scores = score("mahalanobis", residual, residual != 0, np.zeros(2, np.int32), fitted)[1]
    assert scores[1] > 5 * scores[0]


def test_tail_is_the_nats_that_the_residual_is_rare_by():
    """A residual that one in fifty exceeds scores log 50."""
    values = np.random.default_rng(0).normal(size=(100_000, 1)).astype(np.float32)
    seen, entity = np.ones(values.shape, dtype=bool), np.zeros(len(values), dtype=np.int32)
    owner = np.array([0])
    fitted = learn_residuals("tail", values, seen, entity, entities=1, owner=owner)
    rare = np.quantile(np.abs(values), 0.98).reshape(1, 1)
    part = PARTS["tail"](rare, seen[:1], entity[:1], fitted, owner)
    assert part[0, 0] == pytest.approx(np.log(50), rel=0.01)


def test_worst_of_few_features_is_the_mean_of_them():
    """If fewer are observed than are averaged, the score is their mean."""
    parts = np.array([[4, 0, 2]], dtype=np.float32)
    assert combined("top_k", parts, np.array([2]), top_k=5).tolist() == [3]
    assert combined("top_k", parts, np.array([3]), top_k=1).tolist() == [4]
