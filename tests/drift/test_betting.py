"""Evidence of p-values that are too small: rare on quiet data, and quick after a shift."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from aedetect.drift.betting import EVIDENCE, log_p_values, next_evidence

BETS = 48  # a day


def evidence(p_values):
    """The evidence after each day: p-values (days, BETS, E) -> (days, E)."""
    total = log_p_values(p_values).sum(axis=1)
    return of_days(np.full(total.shape, BETS), total)


def of_days(count, total):
    """The evidence after each day, one after the other: (days, E) twice -> (days, E)."""
    reached = [np.full(total.shape[1:], -np.inf)]
    for bets, sums in zip(count, total, strict=True):
        reached.append(next_evidence(reached[-1], bets, sums))
    return np.array(reached[1:])


def test_quiet_months_give_no_alarm():
    """Of 4,000 quiet months, at most four reach the evidence: one in a thousand."""
    rng = np.random.default_rng(0)
    reached = sum(
        int((evidence(rng.uniform(size=(30, BETS, 500))) >= np.log(EVIDENCE)).any(axis=0).sum())
        for _ in range(8)
    )
    assert reached <= 4


def test_bets_are_fair():
    """The expected gain of one quiet day is one: the factor, less the day that begins anew."""
    rng = np.random.default_rng(1)
    p_values = np.maximum(rng.uniform(size=(1, 1, 400_000)), 1e-12)
    gain = np.exp(of_days(np.ones((1, 400_000), int), log_p_values(p_values).sum(axis=1)))
    assert abs(gain.mean() - 1) < 0.01


def test_shift_of_one_spread_is_seen_within_a_day():
    """Scores that move by one standard deviation reach the evidence on the day they do."""
    rng = np.random.default_rng(2)
    p_values = norm.sf(rng.standard_normal((1, BETS, 400)) + 1.0)
    found = (evidence(p_values) >= np.log(EVIDENCE)).mean()
    assert found > 0.5


def test_an_event_of_an_hour_is_no_shift():
    """Two p-values of an event among those of a quiet day are not enough."""
    p_values = np.random.default_rng(3).uniform(size=(1, BETS, 1_000))
    p_values[:, :2] = 1e-12
    assert not (evidence(p_values) >= np.log(EVIDENCE)).any()


def test_evidence_of_a_shift_that_ended_is_forgotten():
    """After a month of shift and three quiet weeks nothing stands."""
    rng = np.random.default_rng(4)
    p_values = rng.uniform(size=(51, BETS, 50))
    p_values[:30] = norm.sf(rng.standard_normal((30, BETS, 50)) + 2.0)
    found = evidence(p_values) >= np.log(EVIDENCE)
    assert found[29].all()
    assert not found[-1].any()
