"""Held-out stretches that look anomalous are left out, and said to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.calibration import MINUTE
from aedetect.calibration.forecast import Timing
from aedetect.calibration.outliers import upper_outliers
from aedetect.calibration.settings import CalibrationSettings
from aedetect.events import EventRules

ROWS = 1700
TIMING = Timing(rules=EventRules(5 * MINUTE), period=MINUTE, max_gap=5 * MINUTE, length=16)
RATE = CalibrationSettings(false_alarm_rate=0.001)


def quiet(seed=0, rows=ROWS):
    """Scores of normal operation: bursts of a few rows, with an exponential tail."""
    random = np.random.default_rng(seed)
    noise = random.exponential(0.05, size=rows + 2)
    return np.maximum(np.maximum(noise[:-2], 0.7 * noise[1:-1]), 0.5 * noise[2:])


def with_incident(scores, *, first=600, rows=73, height=4.0):
    """The same with one incident that nobody labelled."""
    found = scores.copy()
    found[first : first + rows] += height
    return found


def test_an_incident_among_the_held_out_rows_does_not_set_the_threshold():
    """Where one peak decides, the threshold would be the incident's."""
    plain = fit_calibration(HeldOut.of(quiet()), settings=RATE, timing=TIMING)
    rows = HeldOut.of(with_incident(quiet()))
    kept = fit_calibration(rows, settings=replace(RATE, leave_out=0.0), timing=TIMING)
    found = fit_calibration(rows, settings=RATE, timing=TIMING)
    assert kept.threshold.value > 4
    assert found.threshold.value == pytest.approx(plain.threshold.value, rel=0.1)
    assert np.flatnonzero(found.held_out.suspect)[[0, -1]].tolist() == [600, 672]


def test_what_was_left_out_is_stated_with_its_cost():
    """Stretches, rows, and the events to expect if they were normal."""
    rows = HeldOut.of(with_incident(quiet()))
    found = fit_calibration(rows, settings=RATE, timing=TIMING)
    assert (found.left_out.stretches, found.left_out.rows, found.left_out.entities) == (1, 73, 1)
    assert found.left_out.per_day == pytest.approx(
        found.forecast.per_day + 1 / (ROWS / 1440), rel=0.05
    )
    note = found.notes[0]
    assert note.startswith("1 held-out stretch of 73 rows looked anomalous and was left out; if it")


def test_nothing_is_left_out_beyond_the_share():
    """An incident of more rows than the share stays, unless [training] trim allows as many."""
    rows = HeldOut.of(with_incident(quiet(), rows=73))
    few = replace(RATE, leave_out=0.02)
    assert not fit_calibration(rows, settings=few, timing=TIMING).left_out.rows
    assert fit_calibration(rows, settings=few, timing=TIMING, trim=0.05).left_out.rows == 73


def test_labels_take_the_place_of_looks():
    """Nothing but what is labelled is left out for fbeta."""
    marks = np.arange(ROWS) % 400 == 0
    rows = HeldOut.of(with_incident(quiet()), anomaly=marks)
    found = fit_calibration(rows, settings=CalibrationSettings(threshold="fbeta"), timing=TIMING)
    assert not found.left_out.rows


def test_a_new_calibration_starts_from_all_rows():
    """What one left out, the next one may keep."""
    first = fit_calibration(HeldOut.of(with_incident(quiet())), settings=RATE, timing=TIMING)
    settings = replace(RATE, leave_out=0.0)
    again = fit_calibration(first.held_out, settings=settings, timing=TIMING)
    assert not again.held_out.suspect.any()
    assert len(again.scores) == ROWS


@pytest.mark.parametrize("shape", [0.0, 0.3, 0.8])
def test_one_normal_entity_in_twenty_loses_a_stretch(shape):
    """Whatever the tail, which all share, and their scales, which differ."""
    random = np.random.default_rng(1)
    entities, stretches = 200, 40
    unit = random.exponential(size=entities * stretches)
    size = np.expm1(shape * unit) / shape if shape else unit
    entity = np.repeat(np.arange(entities, dtype=np.int32), stretches)
    size = size * random.gamma(2, size=entities)[entity]
    found = upper_outliers(size, entity, entities=entities)
    lost = found.reshape(entities, stretches).any(axis=1).mean()
    assert 0.005 <= lost <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / entities)


def test_outliers_that_hide_each_other_are_found():
    """Two alike: the gap between them is small, the one below them is not."""
    size = np.append(np.random.default_rng(2).exponential(size=40), [50.0, 51.0])
    found = upper_outliers(size, np.zeros(42, np.int32), entities=1)
    assert np.flatnonzero(found).tolist() == [40, 41]
