"""The tail beyond the held-out scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aedetect.calibration.tail import (
    MIN_EXCESSES,
    SHARES,
    TINY,
    Tail,
    anderson_darling,
    fit_excess,
    fit_tail,
)


def drawn(name, size, seed=0):
    """Scores from a distribution, and its survival function."""
    random = np.random.default_rng(seed)
    if name == "exponential":
        return random.exponential(size=size), lambda x: np.exp(-x)
    if name == "lomax":
        return random.pareto(4, size), lambda x: (1 + x) ** -4.0
    if name == "gamma":
        return random.gamma(2, size=size), lambda x: (1 + x) * np.exp(-x)
    if name == "lognormal":
        from scipy.stats import norm

        return random.lognormal(0, 0.5, size), lambda x: norm.sf(np.log(x) / 0.5)
    return random.beta(2, 3, size), None


@pytest.mark.parametrize("name", ["exponential", "lomax", "gamma", "lognormal"])
def test_the_tail_is_about_right_a_hundred_times_beyond_the_sample(name):
    """In the median over draws, where only one in 200,000 normal rows would be."""
    levels = []
    for seed in range(30):
        scores, above = drawn(name, 2000, seed)
        tail = fit_tail(np.sort(scores).astype(np.float32))
        levels.append(float(above(tail.score_at(5e-6))))
    assert 5e-6 / 8 < np.median(levels) < 5e-6 * 8


def test_the_tail_of_bounded_scores_overestimates_p_values():
    """Beyond the largest possible score the p-value is still positive."""
    for seed in range(10):
        scores, _ = drawn("beta", 2000, seed)
        tail = fit_tail(np.sort(scores).astype(np.float32))
        assert tail.shape == 0
        assert tail.p_values([1.0])[0] > 1e-12


@given(
    st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=200),
    st.floats(0, 3, allow_nan=False),
)
def test_p_values_fall_and_never_reach_zero(scores, power):
    """For any scores, including equal ones."""
    tail = fit_tail(np.sort(np.array(scores, np.float32)))
    far = tail.start + tail.scale * 10.0 ** np.array([power, power + 1, 30, 38])
    p_value = tail.p_values(far)
    assert (np.diff(p_value) <= 0).all()
    assert (p_value >= TINY).all()
    assert p_value[0] > p_value[1] or p_value[0] == TINY


@pytest.mark.parametrize("shape", [0.0, 1e-9, 0.2, 1.5])
def test_score_and_p_value_are_each_others_inverse(shape):
    """To the last digits, for every shape."""
    tail = Tail(3.0, 0.05, shape, 2.0, 50, fits=True)
    for level in (0.05, 1e-3, 1e-7):
        assert tail.p_values([tail.score_at(level)])[0] == pytest.approx(level, rel=1e-6)
    assert tail.score_at(0.5) == 3.0


@pytest.mark.parametrize("shape", [0.0, 0.3, 0.8])
def test_the_fit_is_that_of_scipy(shape):
    """SciPy searches both parameters; this fit is as likely, and its shape is at least 0."""
    from scipy.stats import genpareto

    excess = genpareto.rvs(shape, scale=2, size=500, random_state=3)
    found = fit_excess(excess)
    theirs = genpareto.fit(excess, floc=0)
    likelihood = genpareto.logpdf(excess, found[0], 0, found[1]).sum()
    assert found[0] >= 0
    if theirs[0] >= 0:
        assert found == pytest.approx((theirs[0], theirs[2]), rel=0.01, abs=0.01)
        assert likelihood >= genpareto.logpdf(excess, *theirs).sum() - 1e-3


def test_anderson_darling_equals_its_definition():
    """For the exponential distribution with a known scale."""
    excess = np.sort(np.random.default_rng(0).exponential(size=40))
    below = -np.expm1(-excess)
    count = len(excess)
    total = sum(
        (2 * i - 1) * (np.log(below[i - 1]) + np.log(1 - below[count - i]))
        for i in range(1, count + 1)
    )
    assert anderson_darling(excess, 0.0, 1.0) == pytest.approx(-count - total / count)


@pytest.mark.parametrize(("name", "size"), [("exponential", 600), ("lomax", 2000)])
def test_a_true_tail_passes_its_check(name, size):
    """Nearly always: one in twenty may fail at each share, and then a higher start is tried."""
    fits = [
        fit_tail(np.sort(drawn(name, size, seed)[0]).astype(np.float32)).fits for seed in range(40)
    ]
    assert np.mean(fits) >= 0.9


def test_the_check_fails_one_true_tail_in_twenty():
    """The critical values are those of this very fit, at the largest share alone."""
    from aedetect.calibration.tail import CRITICAL, SHAPES

    random = np.random.default_rng(5)
    failed = 0
    for _ in range(400):
        excess = np.expm1(-0.2 * np.log(random.uniform(size=60))) / 0.2
        shape, scale = fit_excess(excess)
        failed += anderson_darling(excess, shape, scale) > np.interp(shape, SHAPES, CRITICAL)
    assert failed / 400 == pytest.approx(0.05, abs=0.04)


def test_a_tail_of_two_kinds_does_not_pass():
    """Scores that jump from one level to another have no such tail."""
    random = np.random.default_rng(0)
    scores = np.concatenate([random.uniform(0, 1, 900), random.uniform(50, 50.01, 100)])
    assert not fit_tail(np.sort(scores).astype(np.float32)).fits


def test_the_start_is_the_lowest_that_passes():
    """A tenth of an exponential sample; no tail fits with fewer than thirty excesses."""
    scores = np.sort(drawn("exponential", 1000)[0]).astype(np.float32)
    assert fit_tail(scores).excesses == int(1000 * SHARES[0])
    few = int(MIN_EXCESSES / SHARES[0]) - 1
    assert not fit_tail(scores[:few]).fits
