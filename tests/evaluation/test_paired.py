"""Differences between two versions, beyond chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from aedetect.evaluation.paired import largest_difference, least_value, resampled_means


@pytest.mark.parametrize("counts", [(0, 1, 1), (3, 12, 40), (10, 0, 200), (0, 0, 30)])
def test_the_limit_is_where_the_score_test_refuses(counts):
    """As computed from the likelihood of the three outcomes under a given difference."""
    won, lost, total = counts
    limit = largest_difference(won, lost, total)
    # The restricted estimate by a grid, instead of the closed form.
    share = np.linspace(max(0.0, -limit) + 1e-9, min(1.0, 1 - limit) - 1e-9, 200_001)
    gained = share + limit
    rest = 1 - share - gained
    fits = (gained > 0) & (rest > 0)
    share, gained, rest = share[fits], gained[fits], rest[fits]
    likelihood = won * np.log(gained) + lost * np.log(share) + (total - won - lost) * np.log(rest)
    at = share[likelihood.argmax()]
    variance = total * (2 * at + limit * (1 - limit))
    statistic = (won - lost - total * limit) / np.sqrt(variance)
    assert statistic == pytest.approx(-stats.norm.ppf(0.95), abs=0.02)


def test_a_limit_is_exceeded_as_rarely_as_it_says():
    """In draws of paired outcomes whose difference is known."""
    random = np.random.default_rng(0)
    drawn = random.multinomial(60, [0.05, 0.15, 0.8], size=1_000)
    beyond = np.mean([largest_difference(won, lost, 60) < -0.1 for won, lost, _ in drawn])
    assert 0.02 < beyond < 0.08


def test_nothing_compared_is_no_evidence():
    """Of nothing, any difference is possible."""
    assert largest_difference(0, 0, 0) == 1.0


def test_resampling_keeps_pairs_and_widens_with_clusters():
    """Equal marks stay equal; rows that are alike in long runs say less than as many alone."""
    random = np.random.default_rng(0)
    alone = random.uniform(size=10_000) < 0.1
    runs = np.repeat(random.uniform(size=100) < 0.1, 100)
    shares = resampled_means(np.stack([alone, alone, runs]), seed=0)
    np.testing.assert_array_equal(shares[:, 0], shares[:, 1])
    assert shares[:, 2].std() > 3 * shares[:, 0].std()
    assert least_value(shares[:, 0]) < alone.mean()
