"""p-values from held-out scores."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.calibration import HeldOut
from aedetect.calibration.conformal import Reference, rows_for
from aedetect.calibration.settings import CalibrationSettings
from aedetect.calibration.thresholds import false_alarm_rate, pot


def gamma(size, seed=0):
    """Scores distributed like those of a network."""
    return np.random.default_rng(seed).gamma(2, size=size).astype(np.float32)


@pytest.mark.parametrize("size", [1, 5, 300, 5000])
def test_p_values_fall_everywhere_and_strictly_far_beyond(size):
    """They never increase, including where rank and tail meet."""
    reference = Reference.of(gamma(size))
    largest = float(reference.scores[-1])
    near = np.nextafter(np.float32(largest), np.float32([-np.inf, np.inf]))
    grid = np.unique(np.concatenate([np.linspace(0, 3 * largest, 5000), [largest], near]))
    p_value = reference.p_values(grid)
    assert (np.diff(p_value) <= 0).all()
    far = reference.p_values(largest + (1 + np.arange(40)) * reference.tail.scale)
    below = far < 1 / (size + 1)
    assert (np.diff(far[below]) < 0).all()
    assert below[-1]
    assert far[-1] > 0


def test_p_values_of_fresh_scores_are_uniform_over_many_small_samples():
    """Exchangeable scores, drawn together: at most p of them have a p-value of p."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(3000):
        draw = random.exponential(size=20) + random.exponential()
        found.append(Reference.of(draw[:-1].astype(np.float32)).p_values(draw[-1:])[0])
    for level in (0.05, 0.1, 0.25, 0.5):
        spread = np.sqrt(level * (1 - level) / 3000)
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=4 * spread)


@pytest.mark.parametrize(("size", "level"), [(19, 0.05), (99, 0.01), (999, 0.001)])
def test_a_level_of_one_rank_is_the_largest_score(size, level):
    """Anything below it uses the tail."""
    reference = Reference.of(gamma(size))
    assert reference.score_at(level) == reference.scores[-1]
    assert reference.score_at(level / 2) > reference.scores[-1] or not reference.tail.fits
    assert rows_for(level) == size


def test_a_rate_below_one_in_n_is_allowed_when_the_tail_fits():
    """The share of normal rows above it is about the configured one."""
    shares = []
    for seed in range(20):
        reference = Reference.of(gamma(2000, seed))
        if reference.tail.fits:
            found = false_alarm_rate(reference, CalibrationSettings(false_alarm_rate=1e-4))
            shares.append((1 + found.value) * np.exp(-found.value))
    assert len(shares) >= 15
    assert 1e-4 / 3 < np.median(shares) < 3e-4


def test_pot_agrees_with_rank_where_both_apply():
    """On average over samples; it is smoother than one rank."""
    ratios = []
    for seed in range(20):
        reference = Reference.of(gamma(5000, seed))
        if reference.tail.fits:
            tail = pot(reference, CalibrationSettings(pot=0.002)).value
            rank = false_alarm_rate(reference, CalibrationSettings(false_alarm_rate=0.002)).value
            ratios.append(tail / rank)
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)


def test_the_false_alarm_rate_is_kept_on_blocks_of_a_correlated_series():
    """Windows overlap, so neighbours are alike: the rate holds on average over later blocks."""
    random = np.random.default_rng(3)
    rates = []
    for _ in range(60):
        noise = random.normal(size=4200)
        series = np.zeros(4200)
        for at in range(1, 4200):
            series[at] = 0.9 * series[at - 1] + noise[at]
        held_out = Reference.of(series[200:2200].astype(np.float32))
        value = false_alarm_rate(held_out, CalibrationSettings(false_alarm_rate=0.01)).value
        blocks = series[2400:].reshape(9, 200) > value
        rates.append(blocks.mean(axis=1))
    spread = np.std(np.mean(rates, axis=1)) / np.sqrt(60)
    assert np.mean(rates) == pytest.approx(0.01, abs=4 * spread)
    assert spread < 0.002


def test_held_out_rows_are_put_in_order():
    """By entity and time, from any order."""
    rows = HeldOut.of([1, 2, 3, 4], entity=[1, 0, 1, 0], time=[5, 9, 2, 1], anomaly=[1, 0, 0, 0])
    assert rows.score.tolist() == [4, 2, 3, 1]
    assert rows.normal.score.tolist() == [4, 2, 3]
