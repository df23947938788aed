"""Tails of many entities: one shape, own scales, and thresholds at one level."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.calibration import MINUTE
from aedetect.calibration.forecast import Timing
from aedetect.calibration.levels import Levels
from aedetect.calibration.settings import CalibrationSettings
from aedetect.calibration.shared_shape import GRID, fit_shape
from aedetect.calibration.stretches import SortedScores, find_stretches
from aedetect.events import EventRules

ALONE = Timing(rules=EventRules(0), period=MINUTE, max_gap=MINUTE, length=1)
WIDE = Timing(rules=EventRules(5 * MINUTE), period=MINUTE, max_gap=5 * MINUTE, length=1)


def of_entities(scores):
    """Held-out rows of several entities at the same times: (E, n)."""
    entities, rows = scores.shape
    time = np.tile(np.arange(rows) * MINUTE, entities)
    return HeldOut.of(scores.ravel(), entity=np.repeat(np.arange(entities), rows), time=time)


def test_scores_are_sorted_within_their_entity():
    """Negative ones and zeros too."""
    random = np.random.default_rng(0)
    rows = HeldOut.of(np.append(random.normal(size=999), -0.0), entity=random.integers(0, 7, 1000))
    ordered = SortedScores.of(rows)
    np.testing.assert_array_equal(ordered.scores, rows.score[np.lexsort((rows.score, rows.entity))])
    assert ordered.of_entity(3).tolist() == sorted(rows.score[rows.entity == 3].tolist())


def test_rows_near_each_other_are_one_stretch():
    """Its peak counts, and its mass; another entity is another stretch."""
    rows = HeldOut.of([0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 2, 9], entity=[0] * 11 + [1])
    found = find_stretches(rows, np.array([1.0, 1.0]), WIDE)
    assert found.peak.tolist() == [3, 1, 8]
    assert found.mass.tolist() == [5, 1, 8]
    assert (found.first.tolist(), found.last.tolist()) == ([1, 10, 11], [3, 10, 11])
    marked = found.marked_rows(np.array([True, False, False]), rows=12)
    assert np.flatnonzero(marked).tolist() == [1, 2, 3]


@pytest.mark.parametrize("shape", [0.0, 0.3, 0.6])
def test_the_shape_is_that_of_all_entities_with_a_dozen_excesses_each(shape):
    """Best scales of each would make it too small."""
    random = np.random.default_rng(1)
    unit = random.exponential(size=(300, 12))
    size = np.expm1(shape * unit) / shape if shape else unit
    size *= random.gamma(2, size=(300, 1))
    entity = np.repeat(np.arange(300, dtype=np.int32), 12)
    found = fit_shape(size.ravel(), entity, entities=300)
    assert found == pytest.approx(max(shape, GRID[0]), abs=0.16)


@pytest.mark.parametrize("rows", [300, 700, 2000])
def test_tails_hold_with_few_rows_and_a_heavy_outlier(rows):
    """Of independent exponential scores at a tenth of 1 / (n + 1): within a factor, not blind."""
    random = np.random.default_rng(2)
    scales = np.array([0.01, 0.1, 1, 10, 100, 1, 1, 1])
    scores = random.exponential(size=(8, rows)) * scales[:, None]
    scores[6, 50] = 1e6
    levels = Levels.of(of_entities(scores), ALONE)
    level = 0.1 / (rows + 1)
    ratio = levels.scores_at(level) / (scales * -np.log(level))
    others = np.delete(ratio, 6)
    assert (others > 0.7).all()
    assert (others < 2.0).all()
    tail = levels.tails.scores_at(level)[6] / -np.log(level)
    assert 0.7 < tail < 2.5  # the outlier makes its own tail no wider than that


def test_a_quiet_entity_is_not_blind_under_a_budget_in_all():
    """Each is flagged by its own scores, below one in its number of rows too."""
    random = np.random.default_rng(3)
    scores = random.exponential(size=(10, 1440)) * np.array([100.0, *[1.0] * 9])[:, None]
    settings = CalibrationSettings(threshold="alert_budget", alert_budget="2 per day")
    found = fit_calibration(of_entities(scores), settings=settings, timing=ALONE)
    values = found.thresholds(np.arange(10, dtype=np.int32))
    assert len(found.own) == 10
    assert found.threshold.rate < 1 / 1441
    assert (values[1:] < 20).all()
    assert values[0] > 600
    true = np.exp(-values / np.array([100.0, *[1.0] * 9])).sum() * 1440
    assert 0.5 < true < 3  # a day; two are allowed, one sample of ten days' rows decides


def test_p_values_beyond_fall_for_each_entity_and_agree_with_the_threshold():
    """Monotone in the score, and at most the rate exactly above the threshold."""
    random = np.random.default_rng(4)
    rows = of_entities(random.gamma(2, size=(3, 500)))
    settings = CalibrationSettings(threshold="alert_budget", alert_budget="1 per day")
    found = fit_calibration(rows, settings=settings, timing=WIDE)
    for code, group in found.own.items():
        scores = np.unique(np.append(np.linspace(0, 200, 4000), group.threshold.value))
        scores = scores.astype(np.float32)
        p_value = found.p_values(scores, np.full(len(scores), code, np.int32))
        assert (np.diff(p_value) <= 0).all()
        flagged = scores > np.float32(group.threshold.value)
        assert (p_value[flagged] <= group.threshold.rate * (1 + 1e-6)).all()
        assert (p_value[~flagged] >= group.threshold.rate * (1 - 1e-4)).all()
