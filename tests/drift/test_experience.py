"""Limits grow where few days are known, so that quiet days stay below them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chi2

from aedetect.calibration import HeldOut
from aedetect.drift.experience import index_limits, level_limits

DAY, HOUR = 86_400_000_000_000, 3_600_000_000_000


def known(days, entities=1):
    """Training days, all of them whole."""
    group = np.repeat(np.arange(entities), days)
    return SimpleNamespace(rows=np.full(len(group), 144), complete=100, group=group, days=days)


def test_few_days_widen_the_limit_of_a_column():
    """The same distances of 3 and 9 days are less experience than those of 80."""
    index = np.tile([0.1, 0.3, 0.2], 30)[:, None]
    limits = [index_limits(index[:days], known(days))[0] for days in (3, 9, 81)]
    assert limits[0] > limits[1] > limits[2] > 2 * 0.3
    assert np.isinf(index_limits(index[:2], known(2))).all()


@pytest.mark.parametrize("days", [4, 12, 40])
def test_quiet_days_stay_below_the_limit(days):
    """Distances as of means that move: at most one in 1,000 days is beyond the limit."""
    rng = np.random.default_rng(days)
    index = 0.2 * chi2.rvs(1, size=(days, 400), random_state=rng)
    limit = index_limits(index, known(days))
    later = 0.2 * chi2.rvs(1, size=(500, 400), random_state=rng)
    assert (later > limit).mean() < 1e-3


def held_out(level, entities):
    """Held-out scores whose level differs by day: level (days, E)."""
    days = len(level)
    time = np.repeat(np.arange(days) * DAY, 24) + np.tile(np.arange(24) * HOUR, days)
    score = np.exp(np.repeat(level, 24, axis=0))
    return HeldOut.of(
        score.T.ravel(), entity=np.repeat(np.arange(entities), 24 * days),
        time=np.tile(time, entities),
    )  # fmt: skip


def test_days_that_differ_widen_the_limit_of_scores():
    """A level that differs from day to day by 0.5 has a limit beyond that of a steady one."""
    rng = np.random.default_rng(0)
    steady = level_limits(held_out(np.zeros((20, 3)), 3), 3, length=1)
    moving = level_limits(held_out(0.5 * rng.normal(size=(20, 3)), 3), 3, length=1)
    assert (moving > 4 * steady).all()
    assert steady[-1] > steady[0]  # an entity that was not held out


def test_a_single_held_out_day_is_little_experience():
    """The limit is finite, and beyond that of many days that differ as is usual."""
    one = level_limits(held_out(np.zeros((1, 1)), 1), 0, length=1)
    many = level_limits(
        held_out(0.2 * np.random.default_rng(1).normal(size=(30, 1)), 1), 0, length=1
    )
    assert np.isfinite(one).all()
    assert one[0] > many[0]
