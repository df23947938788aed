"""How far above the threshold, in units of held-out events."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.calibration import fit_calibration
from aedetect.calibration.forecast import Timing, form_groups, reported
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.settings import CalibrationSettings
from aedetect.events import EventRules
from aedetect.events.severity import rate_strength

MINUTE = 60 * 10**9
RULES = EventRules(60 * MINUTE, hold=0.01, stay=5 * MINUTE)
TIMING = Timing(rules=RULES, period=MINUTE, max_gap=5 * MINUTE, length=4)
RATE = CalibrationSettings(threshold="false_alarm_rate", false_alarm_rate=0.001)


def fitted(scores, **given):
    """A calibration of scores a minute apart."""
    return fit_calibration(HeldOut.of(scores, **given), settings=RATE, timing=TIMING)


@pytest.fixture
def normal():
    """Scores of 20 quiet days."""
    return np.random.default_rng(3).exponential(size=28_800).astype(np.float32)


def test_most_events_of_normal_rows_are_info(normal):
    """New ones, that the calibration never saw."""
    made = fitted(normal)
    fresh = np.random.default_rng(4).exponential(size=10 * 28_800).astype(np.float32)
    none = np.zeros(len(fresh), np.int32)
    flagged = fresh > made.threshold.value
    first, last = form_groups(HeldOut.of(fresh), flagged, RULES)
    above = np.concatenate([[0], np.cumsum(np.where(flagged, made.strengths(fresh, none), 0))])
    level = rate_strength(above[last + 1] - above[first])
    assert len(level) > 100
    assert 0.65 < (level == 0).mean() < 0.85
    assert (level == 2).mean() < 0.02


def test_far_or_long_is_severe(normal):
    """One row twenty times the threshold, and a hundred rows a little above it."""
    made = fitted(normal)
    none, limit = np.zeros(1, np.int32), np.float32(made.threshold.value)
    at, little, far = (
        made.strengths(np.array([limit * times], np.float32), none)[0] for times in (1, 1.2, 20)
    )
    assert at == pytest.approx(0, abs=1e-5)
    assert rate_strength(np.array([little, 100 * little, far])).tolist() == [0, 2, 2]


def test_strength_has_no_unit(normal):
    """Other units of the score change nothing: the same events are severe."""
    none = np.zeros(3, np.int32)
    scores = np.array([7, 12, 40], np.float32)
    other = fitted(normal * 8 - 100).strengths(scores * 8 - 100, none)
    np.testing.assert_allclose(fitted(normal).strengths(scores, none), other, rtol=1e-4)


def test_scores_that_repeat_can_be_rated():
    """A threshold that equals most scores has no step below it."""
    made = fitted(np.repeat(np.float32([1, 1, 1, 2]), 2000))
    strength = made.strengths(np.float32([1, 2, 3]), np.zeros(3, np.int32))
    assert np.isfinite(strength).all()
    assert strength[2] > 1


def test_each_entity_has_its_own_step():
    """One whose scores are ten times larger is rated by its own."""
    random = np.random.default_rng(5)
    scores = random.exponential(size=20_000) * np.repeat([1, 10], 10_000)
    time = np.tile(np.arange(10_000) * MINUTE, 2)
    made = fitted(scores, entity=np.repeat([0, 1], 10_000), time=time)
    levels = made.thresholds(np.arange(2, dtype=np.int32)) * 1.5
    first, second = made.strengths(levels.astype(np.float32), np.arange(2, dtype=np.int32))
    assert first == pytest.approx(second, rel=0.5)


def test_events_that_go_on_count_once():
    """The budget and the forecast count by the rule of the output."""
    scores = np.ones(2000, np.float32)
    scores[500:600] = 5
    scores[[500, 599]] = 9
    rows = HeldOut.of(scores)
    rules = EventRules(10 * MINUTE, hold=0.1, stay=MINUTE)
    assert reported(rows, rows.score > 8, rules).tolist() == [500, 599]
    held = rows.holding(np.full(len(rows), 4.0))
    assert reported(held, rows.score > 8, rules).tolist() == [500]
    assert held.take(np.arange(550, 2000)).held.sum() == 50
