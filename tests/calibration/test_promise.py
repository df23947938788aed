"""What a threshold promises by the evidence: kept, widened, refused."""

import numpy as np
import pytest

from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.forecast import Timing
from aedetect.calibration.promise import Promise
from aedetect.calibration.renewal import Renewal, renewed
from aedetect.calibration.settings import CalibrationSettings
from aedetect.calibration.trust import learnt_drift
from aedetect.events import EventRules

MINUTE, DAY = 60_000_000_000, 86_400_000_000_000
RATE = CalibrationSettings(false_alarm_rate=0.002, leave_out=0)
TIMING = Timing(rules=EventRules(MINUTE), period=MINUTE, max_gap=MINUTE, length=1)


def scores(count, *, seed=0, level=1.0):
    """Independent scores, a minute apart."""
    return level * np.random.default_rng(seed).exponential(size=count)


def promised(count, *, learnt=None, settings=RATE):
    """The promise of a calibration on so many steady rows."""
    rows = HeldOut.of(scores(count))
    return fit_calibration(rows, settings=settings, timing=TIMING, learnt=learnt).promise


def test_a_promise_of_many_steady_days_stands():
    """Ten days without drift: what was chosen is what is promised, without a reason."""
    made = promised(14_400, learnt=1.1)
    assert (made.state, made.upper, made.reason) == ("kept", made.share, "")
    assert made.in_one_line(renewed=False) == "flags at most 0.2% of normal rows"


def test_nothing_is_promised_where_no_drift_can_be_measured():
    """85 rows of an hour are no evidence: the share is only aimed at."""
    few = CalibrationSettings(false_alarm_rate=0.02, leave_out=0)
    made = promised(85, settings=few)
    assert (made.state, made.upper) == ("refused", None)
    assert made.headline == "no promise (2% of normal rows aimed at)"
    assert made.caution(renewed=False)[0].startswith("refused: 85 held-out rows are few")
    assert made.bound(0.01) is None


def test_a_promise_of_one_day_is_widened_by_what_so_few_rows_leave_open():
    """The bound covers the share of new rows of the same kind in 95 of 100 trainings."""
    made = [
        fit_calibration(HeldOut.of(scores(1_440, seed=n)), settings=RATE, timing=TIMING)
        for n in range(60)
    ]
    assert {each.promise.state for each in made} == {"widened"}
    fresh = scores(200_000, seed=99)
    kept = [(fresh > each.threshold.value).mean() <= each.promise.upper for each in made]
    assert np.mean(kept) > 0.9
    assert 0.002 < np.median([each.promise.upper for each in made]) < 0.012


@pytest.mark.parametrize("learnt", [4.0, 40.0])
def test_drift_from_the_learnt_part_widens_a_promise(learnt):
    """By its factor, though many steady rows were held out; the bound of an entity alike."""
    made = promised(14_400, learnt=learnt)
    assert made.state == "widened"
    assert made.upper / made.share == pytest.approx(learnt, rel=0.6)
    assert f"one of the learnt part for 5% flagged {min(learnt * 0.05, 1):.0%}" in made.reason
    assert made.bound(made.share / 2) == pytest.approx(made.upper / 2)


def test_a_bound_that_says_nothing_is_no_promise():
    """Half of all normal rows and more: refused."""
    settings = CalibrationSettings(false_alarm_rate=0.05, leave_out=0)
    assert promised(14_400, learnt=15.0, settings=settings).state == "refused"


def test_drift_is_measured_in_units_of_each_entity():
    """Steady entities at levels of their own show none; scores that double show much."""
    owner = np.repeat([0, 1], 1_000)
    level = np.where(owner, 100.0, 1.0)
    learnt = HeldOut.of(scores(2_000) * level, entity=owner)
    later = HeldOut.of(scores(2_000, seed=1) * level, entity=owner)
    assert learnt_drift(learnt, later) == pytest.approx(1.0, abs=0.4)
    louder = HeldOut.of(scores(2_000, seed=1) * level * 2, entity=owner)
    assert learnt_drift(learnt, louder) > 3
    assert learnt_drift(learnt, HeldOut.of(np.arange(50.0))) is None


def test_a_renewal_of_three_days_restores_a_promise():
    """Its threshold was chosen on recent rows; with fewer days the evidence stays as it was."""
    base = fit_calibration(HeldOut.of(scores(1_440)), settings=RATE, timing=TIMING)
    last = int(base.held_out.time.max())
    found = [renewed(base, Renewal(2, last + n * DAY, 1, 1.3, {})).promise for n in (2, 3)]
    assert found[0] == base.promise
    assert found[1] == Promise(base.promise.share, base.promise.share)


def test_who_has_thresholds_that_follow_is_not_told_to_let_them():
    """The remedy names renewals only where they are not set."""
    made = promised(85, settings=CalibrationSettings(false_alarm_rate=0.02, leave_out=0))
    follow = '([calibration] renew = "1d")'
    for said in (made.in_one_line, lambda renewed: made.caution(renewed=renewed)[1]):
        assert [follow in said(renewed=each) for each in (True, False)] == [False, True]
