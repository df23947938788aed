"""Evidence against a promise in the held-out rows."""

import numpy as np

from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.trust import changed_at, trust_of


def test_many_steady_days_need_no_caution():
    """Ten days of scores of two entities at different levels give no text."""
    random = np.random.default_rng(0)
    time = np.tile(np.arange(14_400) * 60_000_000_000, 2)
    entity = np.repeat([0, 1], 14_400)
    score = random.exponential(1, 28_800) * np.where(entity, 100, 1)
    trust = trust_of(HeldOut.of(score, entity=entity, time=time))
    assert trust.factor < 1.5
    assert trust.text == ""


def test_drift_within_the_held_out_rows_is_told_with_numbers():
    """Scores that double every few days flag many times as many later rows as foreseen."""
    random = np.random.default_rng(0)
    score = random.exponential(1, 14_400) * np.exp(np.arange(14_400) / 4_000)
    trust = trust_of(HeldOut.of(score))
    assert trust.factor > 3
    assert f"{trust.factor:.1f} times as many" in trust.text


def test_few_rows_of_a_short_time_are_told():
    """85 rows of a minute each know no drift, but they are few and show no daily cycle."""
    trust = trust_of(HeldOut.of(np.arange(85.0)))
    assert trust.factor is None
    assert "85 held-out rows are few" in trust.text
    assert "84min" in trust.text


def test_a_young_detector_is_renewed_sooner_until_days_are_scored():
    """Four times as often while neither held-out nor scored rows show daily cycles."""
    day = 86_400_000_000_000
    young = trust_of(HeldOut.of(np.random.default_rng(0).exponential(1, 85)))
    grown = trust_of(HeldOut.of(np.random.default_rng(0).exponential(1, 14_400)))
    assert (young.is_young, grown.is_young) == (True, False)
    assert [young.due_after(day, scored=n * day) for n in (0, 2, 3)] == [day // 4, day // 4, day]
    assert grown.due_after(day, scored=0) == day


def test_the_time_of_a_change_is_found():
    """In the held-out rows, to a few rows; where the learnt part differs, they are all new."""
    score = np.random.default_rng(0).exponential(1, 14_400)
    assert changed_at(HeldOut.of(score), learnt=1.0) is None
    late = HeldOut.of(np.where(np.arange(14_400) < 9_000, score, 20 + score))
    found = changed_at(late, learnt=1.0)
    assert abs(np.searchsorted(late.time, found) - 9_000) < 10
    assert changed_at(HeldOut.of(score), learnt=7.0) == late.time[0]
