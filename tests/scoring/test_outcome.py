"""The outcome of the last days beside the promise."""

from dataclasses import replace

import numpy as np
import pytest

from aedetect.calibration.poisson import count_interval
from aedetect.calibration.promise import Promise
from aedetect.scoring.kept_again import kept_since
from aedetect.scoring.outcome import PeriodOutcome
from aedetect.scoring.outcome_table import alerts_of_outcome, describe_outcome
from aedetect.scoring.promised import Promises
from aedetect.scoring.share_interval import share_interval


def _outcome(low, events_low=0.1):
    return PeriodOutcome(
        period=7, days=7, entity=None, together=True, rows=10_000, flagged=500, share=0.05,
        low=low, high=0.08, promise=0.001, events_a_day=events_low + 0.9, events_low=events_low,
        events_high=events_low + 2.9, events_promise=1.0,
    )  # fmt: skip


def test_one_bad_day_is_no_evidence_of_a_broken_promise():
    """The interval takes days as clusters: all rows of one event are one piece of evidence."""
    rows = np.full(7, 1440.0)
    low, high = share_interval(np.array([0, 0, 0, 1440.0, 0, 0, 0]), rows)
    assert low == 0
    assert high > 1 / 7
    low, high = share_interval(rows / 2, rows)
    assert (low, high) == pytest.approx((0.5, 0.5))


def test_few_days_give_no_interval():
    """Four days are too few, and so are days without a flagged row."""
    assert share_interval(np.ones(4), np.full(4, 100.0)) is None
    assert share_interval(np.zeros(9), np.full(9, 100.0)) is None


def test_the_share_interval_covers_what_it_says():
    """Of simulated weeks with events of random length, about 90 % of intervals hold the truth."""
    random, rows = np.random.default_rng(0), np.full(30, 1440.0)
    days = random.poisson(2, (2000, 30)) * random.integers(1, 20, (2000, 30))
    truth = 2 * 10 / 1440
    found = [share_interval(each.astype(float), rows) for each in days]
    covered = np.mean([low <= truth <= high for low, high in found])
    assert 0.85 < covered < 0.95


def test_the_interval_of_a_count_is_exact():
    """Garwood: none observed leaves -log(0.05); ten give 5.43 to 16.96."""
    assert count_interval(0) == pytest.approx((0, -np.log(0.05)))
    assert count_interval(10) == pytest.approx((5.425, 16.962), abs=1e-3)


def test_an_alert_needs_an_interval_beyond_the_factor():
    """Neither a share within the factor nor one that is not known is an alert."""
    assert not alerts_of_outcome([_outcome(0.0029)], factor=3)
    assert not alerts_of_outcome([_outcome(None, events_low=9)], factor=3)
    assert "promise not kept" in alerts_of_outcome([_outcome(0.0031)], factor=3)
    assert "promise not kept" in alerts_of_outcome([_outcome(0.0, events_low=3.1)], factor=3)


def test_an_entity_that_breaks_its_promise_is_an_alert_of_its_own():
    """By its own share and rows; not with a dozen rows, and not when it is told otherwise."""
    east = replace(_outcome(0.02), entity="east", together=False, promise=0.005)
    few = replace(east, entity="west", rows=100)
    found = alerts_of_outcome([_outcome(0.001), east, few], factor=3)
    assert list(found) == ["promise not kept: east"]
    assert found["promise not kept: east"].startswith("east: in the last 7 days")
    assert not alerts_of_outcome([east], factor=3, but={"east"})


def test_a_fault_of_one_is_no_reason_to_renew_the_thresholds_of_all():
    """Where an entity that is told of otherwise explains the share of all, nothing is added."""
    east = replace(_outcome(0.4), entity="east", together=False, rows=1_250, flagged=495)
    assert not alerts_of_outcome([_outcome(0.04), east], factor=3, but={"east"})
    some = replace(east, flagged=400)
    assert "promise not kept" in alerts_of_outcome([_outcome(0.04), some], factor=3, but={"east"})


def test_the_promise_of_all_is_the_mean_over_their_rows():
    """Not that of the entity with the most lenient one; rows that are not known count as usual."""
    promises = Promises(Promise(0.01, 0.01), {"east": 0.001, "west": 0.003}, {}, 1.0)
    rows = {"east": 3000.0, "west": 1000.0}
    assert promises.mean(rows, 4000) == pytest.approx(0.0015)
    assert promises.mean(rows, 8000) == pytest.approx(0.00175)
    assert promises.mean({"south": 100.0}, 100) == pytest.approx(0.01)


def test_a_widened_promise_is_broken_beyond_its_bound_only():
    """The bound of the evidence counts, and the text says both; a refused one is never 'kept'."""
    wide = replace(_outcome(0.0031), bound=0.002)
    assert not alerts_of_outcome([wide], factor=3)
    assert "at most 0.2% promised (0.1% aimed at)" in describe_outcome(wide)
    refused = replace(_outcome(0.0031), refused="85 held-out rows are few")
    told = alerts_of_outcome([refused], factor=3)["promise not kept"]
    assert "no promise (0.1% aimed at)" in told
    assert "it could not be promised (85 held-out rows are few)" in told


def _days(*shares):
    """Return flagged and judged rows of days of minutes."""
    rows = np.full(len(shares), 1440.0)
    return rows * shares, rows


@pytest.mark.parametrize(
    ("bad", "good", "first"), [(5, 2, None), (5, 3, 27), (3, 4, None), (3, 5, 25), (12, 6, 24)]
)
def test_a_promise_is_kept_again_when_the_last_days_are_no_chance(bad, good, first):
    """Three good days after five bad ones, five after three; it stays so while they go on."""
    days = _days(*[0.0] * (30 - bad - good), *[1.0] * bad, *[0.0] * good)
    assert kept_since(*days, most=0.001) == first


def test_one_event_after_the_repair_does_not_end_it():
    """The rows of one day may be those of a false event; a first day like the bad ones is none."""
    bad = [0.0] * 18 + [0.5] * 8
    assert kept_since(*_days(*bad, 0, 0.02, 0, 0), most=0.001) == 26
    assert kept_since(*_days(*bad, 0, 0.6, 0, 0), most=0.001) is None


def test_a_promise_that_is_broken_every_other_day_is_hardly_called_kept_again():
    """Of 500 simulated months whose days are bad by half, at most a sixth; of 80 %, a twentieth."""
    random = np.random.default_rng(0)
    for often, most in ((0.5, 1 / 6), (0.8, 1 / 20)):
        flagged = (random.random((500, 30)) < often) * random.integers(5, 300, (500, 30))
        days = [(each.astype(float), np.full(30, 1440.0)) for each in flagged]
        assert np.mean([kept_since(*each, most=0.001) is not None for each in days]) < most


def test_few_rows_do_not_tell_that_it_is_over():
    """Three days of 24 rows are too few at a promise of 0.1 %."""
    rows = np.full(30, 24.0)
    assert kept_since(np.repeat([0.0, 12, 0], [19, 8, 3]), rows, most=0.001) is None


def test_no_alert_begins_on_a_better_day_and_none_stands_that_is_over():
    """One that was told stands on it; with days on which it is below the factor it ends."""
    better = replace(_outcome(0.02), newest=0.04)  # 5 % of all days
    assert not alerts_of_outcome([better], factor=3)
    assert not alerts_of_outcome([replace(_outcome(0.02), share=0.0, newest=0.0029)], factor=3)
    told = alerts_of_outcome([replace(better, newest=0.05)], factor=3)
    assert alerts_of_outcome([better], factor=3, before=told.values()) == told
    over = replace(better, eased_since="2026-01-09")
    assert not alerts_of_outcome([over], factor=3, before=told.values())
    assert describe_outcome(over).endswith("; below the alert since 2026-01-09")
    again = replace(over, kept_since="2026-01-10")
    assert describe_outcome(again).endswith("; kept again since 2026-01-10")


def test_more_events_than_foreseen_in_a_month_are_over_when_the_last_week_has_them_not():
    """The shortest period confirms the longer one."""
    month = replace(_outcome(0.0, events_low=3.1), period=30)
    week = replace(_outcome(0.0), events_a_day=0.9)
    assert not alerts_of_outcome([week, month], factor=3)
    assert alerts_of_outcome([replace(week, events_a_day=1.1), month], factor=3)


def test_the_end_is_named_after_a_bad_day_where_that_is_enough():
    """The last bad day is no event that is left out, though one may be."""
    flagged, rows = _days(*[0.0] * 18, *[1.0] * 5, 0.0, 0.3, 0, 0, 0, 0, 0)
    assert kept_since(flagged, rows, most=0.001) == 25
