"""Thresholds that follow the scores of the last days, without labels."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.calibration import DEFAULT_TIMING, MINUTE
from aedetect.calibration.history import (
    History,
    read_calibration,
    read_history,
    read_renewal,
    write_renewal,
)
from aedetect.calibration.renewal import Renewal, choose_factors, renewed, strong_rows
from aedetect.calibration.serialization import write_calibration
from aedetect.calibration.settings import CalibrationSettings
from aedetect.errors import CalibrationRefused
from aedetect.events import EventRules

RATE = 0.01
DAY, HOUR = 1440, 60  # rows
ACCEPT = 6 * HOUR * MINUTE
TIMING = replace(DEFAULT_TIMING, rules=EventRules(HOUR * MINUTE))


def scores(rows, *, seed=0):
    """Return positive scores of normal rows."""
    return np.random.default_rng(seed).gamma(4.0, 1.0, rows).astype(np.float32)


@pytest.fixture(scope="module")
def base():
    """Return a calibration of one entity, with a rate in rows."""
    settings = CalibrationSettings(false_alarm_rate=RATE, leave_out=0.0)
    return fit_calibration(HeldOut.of(scores(4 * DAY)), settings=settings)


def chosen(base, rows, *, before=None, threshold=None, within=1 / RATE):
    """Return the factors for rows under the threshold of the base, or another one."""
    value = base.threshold.value if threshold is None else threshold
    limits = np.full(len(rows), value)
    return choose_factors(
        rows, limits, base, timing=TIMING, accept=ACCEPT, within=within, before=before
    )


def test_unchanged_scores_keep_the_threshold(base):
    """The share of recent rows above the renewed threshold is the promised one."""
    found = chosen(base, HeldOut.of(scores(4 * DAY, seed=1)))
    assert found.pooled == pytest.approx(1, abs=0.1)
    assert found.left_out == 0


def test_the_promised_share_is_flagged_after_a_drift(base):
    """Scores half as high again: the threshold rises, and falls again with them."""
    drifted = HeldOut.of(1.5 * scores(4 * DAY, seed=1))
    up = chosen(base, drifted)
    value = renewed(base, Renewal(2, 0, 1, up.pooled)).threshold.value
    assert (drifted.score > value).mean() == pytest.approx(RATE, rel=0.3)
    back = chosen(base, HeldOut.of(scores(4 * DAY, seed=2)), threshold=value)
    assert back.pooled == pytest.approx(1, abs=0.1)
    assert back.pooled < up.pooled


@pytest.mark.parametrize(("days", "lowest"), [(4, 0.5), (7, 0.5), (14, 0.25)])
def test_a_threshold_falls_to_half_a_week(base, days, lowest):
    """A quiet week does not make it nervous, and weeks undo what one event made of it."""
    quiet = HeldOut.of(0.01 * scores(days * DAY, seed=1))
    assert chosen(base, quiet).pooled == pytest.approx(lowest)


def test_an_event_under_way_does_not_raise_its_own_threshold(base):
    """Three hours at five times the threshold are left out, weaker rows are not."""
    score = np.minimum(scores(4 * DAY, seed=1), np.float32(base.threshold.value))
    usual = chosen(base, HeldOut.of(score))
    score[-3 * HOUR :] = 5 * base.threshold.value
    found = chosen(base, HeldOut.of(score))
    assert found.left_out == 3 * HOUR
    assert found.pooled == pytest.approx(usual.pooled, abs=0.02)


def test_weak_events_of_a_few_days_do_not_raise_the_threshold(base):
    """Two of 20 days have an hour above it, far more rows than the promise has in all of them."""
    score = np.minimum(scores(20 * DAY, seed=1), np.float32(base.threshold.value))
    usual = chosen(base, HeldOut.of(score))
    for day in (3, 11):
        score[day * DAY : day * DAY + 5 * HOUR] = 1.5 * base.threshold.value
    found = chosen(base, HeldOut.of(score))
    assert found.left_out == 10 * HOUR
    assert found.pooled == pytest.approx(usual.pooled, abs=0.02)
    for day in (5, 13, 17):  # it is no exception any more
        score[day * DAY : day * DAY + 5 * HOUR] = 1.5 * base.threshold.value
    assert chosen(base, HeldOut.of(score)).pooled == pytest.approx(1.5)


def test_events_that_come_again_do_not_break_the_promise_for_ever(base):
    """Three hours a day begin anew each day: above the threshold are three times the promised."""
    score = np.minimum(scores(4 * DAY, seed=1), np.float32(base.threshold.value))
    again = np.arange(4 * DAY) % DAY < 3 * HOUR
    score[again] = 5 * base.threshold.value * scores(int(again.sum()), seed=2)
    left_out = chosen(base, HeldOut.of(score))
    assert left_out.pooled < 1.01
    assert (score > left_out.pooled * base.threshold.value).mean() > 0.1
    found = chosen(base, HeldOut.of(score), within=3.0)
    share = (score > found.pooled * base.threshold.value).mean()
    assert share == pytest.approx(3 * RATE, rel=0.02)


def test_two_days_beyond_the_bound_raise_the_threshold_while_they_are_recent(base):
    """Of 20 days the last has five hours above it: few days for weeks, too many rows for two."""
    score = np.minimum(scores(20 * DAY, seed=1), np.float32(base.threshold.value))
    usual = chosen(base, HeldOut.of(score), within=5.0).pooled
    bad = np.arange(19 * DAY, 19 * DAY + 5 * HOUR)
    score[bad] = (1 + np.linspace(0.1, 0.9, len(bad))) * base.threshold.value
    now = chosen(base, HeldOut.of(score), within=5.0).pooled
    most = 5.0 * RATE * 2 * DAY  # the bound, of two days
    assert (score > now * base.threshold.value).sum() == pytest.approx(most, abs=2)
    later = np.append(score, np.minimum(scores(2 * DAY, seed=3), np.float32(base.threshold.value)))
    assert chosen(base, HeldOut.of(later), within=5.0).pooled == pytest.approx(usual, abs=0.02)


def test_two_days_of_few_rows_decide_nothing(base):
    """Of 40 rows in them less than five may be above the threshold: one event would raise it."""
    score = np.minimum(scores(20 * DAY, seed=1), np.float32(base.threshold.value))
    usual = chosen(base, HeldOut.of(score), within=5.0).pooled
    some = np.full(40, 1.5 * base.threshold.value, dtype=np.float32)
    rows = HeldOut.of(np.append(score, some))
    rows = replace(rows, time=np.where(np.arange(len(rows)) < len(score), rows.time, 0))
    rows.time[len(score) :] = rows.time.max() + (3 * DAY + 70 * np.arange(40)) * MINUTE
    assert chosen(base, rows, within=5.0).pooled == pytest.approx(usual, abs=0.02)


def test_a_new_level_is_accepted_after_the_stated_time(base):
    """A day later the rows beyond the first six hours count as normal."""
    score = np.minimum(scores(4 * DAY, seed=1), np.float32(base.threshold.value))
    score[-DAY:] *= 6
    rows = HeldOut.of(score)
    limits = np.full(len(rows), base.threshold.value)
    marked = strong_rows(rows, limits, TIMING, accept=ACCEPT)
    begin = np.flatnonzero(marked)[0]
    assert begin >= 3 * DAY
    assert not marked[begin + 6 * HOUR :].any()
    assert chosen(base, rows).pooled > 4


def test_confirmed_events_are_left_out_for_good(base):
    """Also the rows after the stated time."""
    score = scores(4 * DAY, seed=1)
    usual = chosen(base, HeldOut.of(score)).pooled
    score[-DAY:] *= 6
    confirmed = np.arange(4 * DAY) >= 3 * DAY
    found = chosen(base, HeldOut.of(score, anomaly=confirmed))
    assert found.pooled == pytest.approx(usual, abs=0.1)


def test_it_does_not_fall_below_half(base):
    """A standstill does not make every later row an anomaly."""
    assert chosen(base, HeldOut.of(scores(4 * DAY) * 0.01)).pooled == 0.5


def test_entities_are_renewed_apart():
    """One that has few rows keeps its factor."""
    settings = CalibrationSettings(false_alarm_rate=RATE, leave_out=0.0)
    owner = np.repeat([0, 1, 2], 2 * DAY)
    base = fit_calibration(HeldOut.of(scores(6 * DAY), entity=owner), settings=settings)
    assert sorted(base.own) == [0, 1, 2]
    score = np.concatenate([scores(DAY), 2 * scores(DAY), scores(100)])
    rows = HeldOut.of(score, entity=np.repeat([0, 1, 2], [DAY, DAY, 100]))
    limits = base.thresholds(rows.entity)
    before = Renewal(2, 0, 1, factors={2: 1.7})
    found = choose_factors(
        rows, limits, base, timing=TIMING, accept=ACCEPT, within=3.0, before=before
    )
    assert found.own[0] == pytest.approx(1, abs=0.15)
    assert found.own[1] == pytest.approx(2, abs=0.4)
    assert (found.own[2], found.unchanged) == (1.7, 1)


def test_too_few_rows_are_refused(base):
    """The message states how many are needed."""
    with pytest.raises(CalibrationRefused, match=r"needs 500 scored rows .* got 100"):
        chosen(base, HeldOut.of(scores(100)))


def test_p_values_and_strengths_stretch_alike(base):
    """A row at twice the score under twice the threshold is as rare and as strong."""
    twice = renewed(base, Renewal(2, 7, 1, 2.0))
    score, entity = np.array([1, 8, 40], np.float32), np.zeros(3, np.int32)
    np.testing.assert_allclose(twice.p_values(2 * score, entity), base.p_values(score, entity))
    np.testing.assert_allclose(twice.strengths(2 * score, entity), base.strengths(score, entity))
    assert (twice.version, twice.since) == (2, 7)


def test_the_calibration_in_force_depends_on_the_time(base, tmp_path):
    """A full calibration replaces what came before it, for all times."""
    write_renewal(Renewal(2, 50, 1, 1.5), tmp_path / "calibrations" / "2")
    write_renewal(Renewal(3, 70, 1, 2.0), tmp_path / "calibrations" / "3")
    history = read_history(tmp_path)
    assert [history.at(each) for each in (49, 50, 69, 70)] == [1, 2, 2, 3]
    assert (history.newest, history.renewed) == (3, 70)
    assert read_calibration(tmp_path, lambda: base, version=2).threshold.value == pytest.approx(
        1.5 * base.threshold.value
    )
    assert read_renewal(tmp_path, 3) == Renewal(3, 70, 1, 2.0)
    write_calibration(base, tmp_path / "calibrations" / "4")
    assert read_history(tmp_path).at(0) == 4
    assert History().at(0) == 1


@pytest.mark.parametrize(
    "changed", [{"pooled": 0.0}, {"pooled": float("nan")}, {"base": 2}, {"factors": {"0": -1}}]
)
def test_a_damaged_renewal_is_refused(base, tmp_path, changed):
    """Factors are above 0, and the base is a full calibration before it."""
    place = tmp_path / "calibrations" / "2"
    write_renewal(Renewal(2, 50, 1), place)
    path = place / "calibration.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({"renewal": stored["renewal"] | changed}))
    with pytest.raises(ValueError, match=r"renewal|finite"):
        read_calibration(tmp_path, lambda: base)
