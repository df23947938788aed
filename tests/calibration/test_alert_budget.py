"""Alert budgets: promises about events."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.budget import Budget, parse_budget
from aedetect.calibration.calibration import MINUTE
from aedetect.calibration.forecast import Timing, covered, reported
from aedetect.calibration.settings import CalibrationSettings
from aedetect.errors import CalibrationRefused, ConfigError
from aedetect.events import EventRules

DAY = 1440  # rows
ALONE = Timing(
    rules=EventRules(0), period=MINUTE, max_gap=5 * MINUTE, length=1
)  # each row an event
MERGED = Timing(rules=EventRules(5 * MINUTE), period=MINUTE, max_gap=5 * MINUTE, length=4)


def asked(budget, **others):
    """Settings that ask for a budget."""
    return CalibrationSettings(threshold="alert_budget", alert_budget=budget, **others)


def correlated(random, size, memory=0.8):
    """Scores of a series in which neighbours are alike."""
    noise = random.normal(size=size + 100)
    series = np.zeros(size + 100)
    for at in range(1, size + 100):
        series[at] = memory * series[at - 1] + noise[at]
    return series[100:].astype(np.float32)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("2 per day", Budget(2, per_entity=False)),
        ("1 per week per entity", Budget(1 / 7, per_entity=True)),
        ("0.5 per hour", Budget(12, per_entity=False)),
        ("12 per month", Budget(12 / (365.25 / 12), per_entity=False)),
    ],
)
def test_a_budget_is_parsed_from_text(text, budget):
    """A number, a unit, and whether each entity has it."""
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "two per day", "2", "0 per day", "2 per year", "-1 per day"])
def test_what_is_no_budget_is_refused(text):
    """The message shows a valid budget."""
    with pytest.raises(ConfigError, match='write for example "2 per day"'):
        parse_budget(text)


@pytest.mark.parametrize("days", [1, 2, 3, 5])
def test_one_event_a_day_is_the_score_of_as_many_ranks_as_days(days):
    """With d days, the d-th largest: one rank lower promises one event too few, which doubles few.

    A new row lies above the d-th largest of n as often as d of n + 1.
    """
    scores = np.random.default_rng(0).permutation(days * DAY).astype(np.float32)
    found = fit_calibration(HeldOut.of(scores), settings=asked("1 per day"), timing=ALONE)
    assert found.threshold.value == days * DAY - days
    assert found.forecast.events == days
    assert found.forecast.per_day == pytest.approx(1.0)
    assert found.forecast.low <= 1 <= found.forecast.high


def test_the_budget_is_kept_on_fresh_days():
    """On average over many held-out samples of correlated scores, at few events in each."""
    random = np.random.default_rng(1)
    counts = []
    for _ in range(60):
        held_out, fresh = (HeldOut.of(correlated(random, 2 * DAY)) for _ in range(2))
        found = fit_calibration(held_out, settings=asked("2 per day"), timing=MERGED)
        flagged = fresh.score > found.threshold.value
        counts.append(len(reported(fresh, flagged, MERGED.rules)) / 2)
    assert np.mean(counts) <= 2 + 3 * np.std(counts) / np.sqrt(60)
    assert np.mean(counts) > 1  # and not by flagging nothing


def test_no_higher_threshold_has_more_events():
    """Events merge when the threshold falls, so their number alone is not enough."""
    scores = np.random.default_rng(2).normal(size=DAY).astype(np.float32)
    rows = HeldOut.of(scores)
    found = fit_calibration(rows, settings=asked("10 per day"), timing=MERGED).threshold.value
    higher = np.sort(scores[scores >= found])
    counts = [len(reported(rows, rows.score >= value, MERGED.rules)) for value in higher]
    assert max(counts) <= 10
    lower = scores[scores < found].max()
    assert len(reported(rows, rows.score >= lower, MERGED.rules)) > 10


def test_short_and_cooling_events_do_not_count():
    """Only reported events count, so rules of [events] lower the threshold."""
    rows = HeldOut.of(correlated(np.random.default_rng(3), 2 * DAY))
    rates = []
    for rules in (
        EventRules(MINUTE),
        EventRules(MINUTE, 3 * MINUTE),
        EventRules(MINUTE, 0, 120 * MINUTE),
    ):
        timing = Timing(rules=rules, period=MINUTE, max_gap=5 * MINUTE, length=1)
        settings = asked("10 per day", alarm_time=0.5)
        rates.append(fit_calibration(rows, settings=settings, timing=timing).threshold.rate)
    assert rates[0] < min(rates[1:])


def test_a_budget_below_one_event_needs_a_tail_or_more_days():
    """The message states the days and windows needed; with a tail that fits it is extrapolated."""
    two_kinds = np.concatenate([np.zeros(DAY - 200), np.tile([5.0, 50.0], 100)])
    with pytest.raises(CalibrationRefused, match=r"needs 7 days, about 10080 held-out.*got 1440"):
        fit_calibration(HeldOut.of(two_kinds), settings=asked("1 per week"), timing=ALONE)
    smooth = np.random.default_rng(0).exponential(size=DAY).astype(np.float32)
    found = fit_calibration(HeldOut.of(smooth), settings=asked("1 per week"), timing=ALONE)
    assert found.threshold.value > smooth.max()
    assert found.threshold.rate == pytest.approx(1 / 7 / DAY)
    assert found.forecast.per_day == pytest.approx(1 / 7)


def test_a_total_budget_gives_each_entity_the_threshold_of_its_own_scores():
    """One level: entities of another scale are flagged as often."""
    random = np.random.default_rng(4)
    scores = random.gamma(2, size=(2, 3 * DAY))
    scores[1] *= 100
    time = np.tile(np.arange(3 * DAY) * MINUTE, 2)
    rows = HeldOut.of(scores.ravel(), entity=np.repeat([0, 1], 3 * DAY), time=time)
    found = fit_calibration(rows, settings=asked("10 per day"), timing=MERGED)
    low, high = (found.own[code].threshold for code in (0, 1))
    assert low.rate == high.rate
    assert high.value == pytest.approx(100 * low.value, rel=0.3)
    assert found.forecast.days == pytest.approx(3)
    assert 9 <= found.forecast.per_day <= 10


def test_per_entity_each_has_its_budget_and_small_ones_share():
    """An entity with few rows gets the pooled threshold."""
    random = np.random.default_rng(5)
    sizes = [3 * DAY, 3 * DAY, 50]
    scores = random.gamma(2, size=sum(sizes))
    time = np.concatenate([np.arange(size) * MINUTE for size in sizes])
    rows = HeldOut.of(scores, entity=np.repeat([0, 1, 2], sizes), time=time)
    found = fit_calibration(rows, settings=asked("2 per day per entity"), timing=MERGED)
    assert set(found.own) == {0, 1}
    for group in found.own.values():
        assert group.forecast.events == 6
    whose = np.array([2], np.int32)
    assert found.thresholds(whose).tolist() == [found.threshold.value]


def test_time_without_rows_is_no_exposure():
    """Gaps do not count, and time covered by two entities counts once in the total."""
    time = np.concatenate([np.arange(10), 1000 + np.arange(10)]) * MINUTE
    rows = HeldOut.of(np.zeros(40), entity=np.repeat([0, 1], 20), time=np.tile(time, 2))
    assert covered(rows, ALONE, together=False).sum() == 40 * MINUTE
    assert covered(rows, ALONE, together=True).sum() == 20 * MINUTE


def test_the_interval_covers_the_rate_of_later_days():
    """For correlated scores with a fixed threshold, about nine times in ten."""
    from aedetect.calibration.forecast import forecast

    random = np.random.default_rng(6)
    longest = HeldOut.of(correlated(random, 60 * DAY))
    true = len(reported(longest, longest.score > 5, MERGED.rules)) / 60
    held = 0
    for _ in range(60):
        rows = HeldOut.of(correlated(random, 3 * DAY))
        found = forecast(rows, rows.score > 5, MERGED, together=True)
        held += found.low <= true <= found.high
    assert held / 60 >= 0.75


def test_the_default_is_one_event_a_day_for_each_entity():
    """With a scope for each, and nothing to add."""
    scores = np.random.default_rng(7).gamma(2, size=2 * 3 * DAY)
    time = np.tile(np.arange(3 * DAY) * MINUTE, 2)
    rows = HeldOut.of(scores, entity=np.repeat([0, 1], 3 * DAY), time=time)
    found = fit_calibration(rows, settings=CalibrationSettings(leave_out=0), timing=ALONE)
    assert found.threshold.method == "alert_budget"
    assert [group.forecast.events for group in found.own.values()] == [3, 3]
    assert found.notes == ()


def test_without_support_the_default_is_a_rate_and_says_so():
    """An hour holds a twentieth of an event; who asks for the budget himself is refused."""
    rows = HeldOut.of(np.random.default_rng(8).gamma(2, size=60))
    found = fit_calibration(rows, settings=CalibrationSettings(), timing=ALONE)
    assert found.threshold.method == "false_alarm_rate"
    assert found.notes[0].startswith(
        'a rate in rows, because an alert_budget of "1 per day per entity" allows 0.042 events'
    )
    with pytest.raises(CalibrationRefused, match=r"allows 0\.042 events in the 0\.0417 days"):
        fit_calibration(rows, settings=asked("1 per day per entity"), timing=ALONE)


@pytest.mark.parametrize(
    ("given", "method"),
    [
        ({}, "alert_budget"),
        ({"false_alarm_rate": 0.02}, "false_alarm_rate"),
        ({"false_alarm_rate": 0.02, "alert_budget": "2 per day"}, "alert_budget"),
        ({"threshold": "pot", "alert_budget": "2 per day"}, "pot"),
    ],
)
def test_what_is_set_chooses_the_method(given, method):
    """A rate that is set alone is meant; so is a budget."""
    assert CalibrationSettings(**given).method == method
    assert CalibrationSettings(**given).is_default == (not given)


def test_a_budget_does_not_buy_few_events_with_long_ones():
    """Three slow waves are three events at any length; no more rows than alarm_time are flagged."""
    wave = np.sin(np.arange(3 * DAY) * 2 * np.pi / DAY).astype(np.float32)
    settings = asked("1 per day", alarm_time=0.02)
    found = fit_calibration(HeldOut.of(wave), settings=settings, timing=MERGED)
    share = (wave > found.threshold.value).mean()
    assert 0.015 < share <= 0.02
    wide = fit_calibration(
        HeldOut.of(wave), settings=asked("1 per day", alarm_time=0.3), timing=MERGED
    )
    assert (wave > wide.threshold.value).mean() > 0.25
