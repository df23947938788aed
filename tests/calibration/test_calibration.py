"""A threshold is a promise."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aedetect.calibration import HeldOut, Threshold
from aedetect.calibration import calibration as calibrating
from aedetect.calibration.conformal import Reference
from aedetect.calibration.settings import DEFAULT_RATE, CalibrationSettings
from aedetect.calibration.tail import Tail
from aedetect.calibration.thresholds import false_alarm_rate
from aedetect.errors import CalibrationRefused
from aedetect.wording import percent

NINETEEN = np.random.default_rng(0).permutation(np.arange(1, 20)).astype(np.float32)


def calibrate(scores, *, settings, entity=0):
    """Calibrate on scores, of one entity by default."""
    return calibrating.fit_calibration(HeldOut.of(scores, entity=entity), settings=settings)


def threshold(scores, rate):
    """The threshold for a false-alarm rate, by rank alone."""
    ordered = np.sort(np.asarray(scores, np.float32))
    reference = Reference(ordered, Tail(0.0, 1.0, 0.0, 1.0, 0, fits=False))
    return false_alarm_rate(reference, CalibrationSettings(false_alarm_rate=rate))


def test_nineteen_scores_support_one_in_twenty_with_the_largest():
    """One rank lower would double the alarms."""
    assert threshold(NINETEEN, 0.05) == Threshold(19.0, "false_alarm_rate", 0.05)


def test_nineteen_scores_support_no_less_and_the_message_says_what_would():
    """One in twenty-five needs 24."""
    with pytest.raises(CalibrationRefused, match=r"0\.04 needs 24 held-out windows, got 19.*0\.05"):
        threshold(NINETEEN, 0.04)


def test_what_a_refusal_asks_for_is_enough_and_one_less_is_not():
    """24 scores support one in twenty-five, 23 do not."""
    assert threshold(range(24), 0.04).value == 23
    with pytest.raises(CalibrationRefused):
        threshold(range(23), 0.04)


@pytest.mark.parametrize(("size", "rate"), [(4, 0.2), (5, 0.3), (5, 0.5)])
def test_the_promise_holds_exactly_over_every_order_of_the_scores(size, rate):
    """Of all orders in which exchangeable scores come, at most `rate` flag the last."""
    orders = list(permutations(range(size + 1)))
    flagged = sum(order[-1] > threshold(order[:-1], rate).value for order in orders)
    share = Fraction(flagged, len(orders))
    assert share <= Fraction(str(rate))
    assert share > Fraction(str(rate)) - Fraction(1, size + 1)  # and no more is given away


def test_a_fresh_score_exceeds_the_threshold_of_nineteen_once_in_twenty():
    """Over many draws of 20 exchangeable scores, which need not be independent."""
    random = np.random.default_rng(1)
    draws = random.normal(size=(20_000, 20)) + random.normal(size=(20_000, 1))
    flagged = np.mean([draw[-1] > threshold(draw[:-1], 0.05).value for draw in draws])
    assert flagged == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 20_000))


@pytest.mark.parametrize(
    ("n", "rate", "rank"), [(9, 0.1 * 3, 7), (9, 1 - 0.9, 9), (19, 1 - 0.95, 19), (99, 0.07, 93)]
)
def test_the_last_bit_of_a_rate_moves_no_rank(n, rate, rank):
    """0.1 * 3 != 0.3 and 1 - 0.9 != 0.1 in floats; the rank is that of the exact numbers."""
    assert threshold(np.arange(1, n + 1), rate).value == rank


@given(st.integers(1, 400), st.integers(1, 399))
def test_decimal_rates_give_the_exact_rank(n, thousandths):
    """As with exact fractions: rounding never changes the rank."""
    rate = thousandths / 1000
    rank = -((n + 1) * (thousandths - 1000) // 1000)
    if rank > n:
        with pytest.raises(CalibrationRefused):
            threshold(range(1, n + 1), rate)
    else:
        assert threshold(range(1, n + 1), rate).value == rank


def test_twenty_scores_support_the_quantile_of_nineteen_in_twenty():
    """The 19th smallest; 19 scores support none, and the message says what would."""
    settings = CalibrationSettings(threshold="quantile", quantile=0.95)
    found = calibrate(np.arange(1, 21, dtype=np.float32), settings=settings).threshold
    assert found == Threshold(19.0, "quantile", 2 / 21)
    with pytest.raises(
        CalibrationRefused, match=r"0\.95 needs 20 held-out windows, got 19.*0\.947"
    ):
        calibrate(NINETEEN, settings=settings)


@given(st.integers(2, 300), st.integers(500, 999))
def test_a_quantile_has_its_share_at_or_below_and_says_what_it_promises(n, thousandths):
    """The smallest such score; the rate is that of a fresh row, exactly."""
    settings = CalibrationSettings(threshold="quantile", quantile=thousandths / 1000)
    scores = np.arange(1, n + 1, dtype=np.float32)
    if n * (1000 - thousandths) < 1000:
        with pytest.raises(CalibrationRefused):
            calibrate(scores, settings=settings)
        return
    found = calibrate(scores, settings=settings).threshold
    assert found.value * 1000 >= n * thousandths > (found.value - 1) * 1000
    assert found.rate == pytest.approx((n + 1 - found.value) / (n + 1))


def test_the_default_rate_is_what_the_sample_supports():
    """One in a thousand, or the smallest rate that few scores allow; none is refused."""
    assert threshold(range(5000), None).rate == DEFAULT_RATE
    for n in (1, 7, 19, 400, 998):
        found = threshold(range(n), None)
        assert found.value == n - 1
        assert found.rate == pytest.approx(1 / (n + 1), abs=1e-6)
        assert found.rate >= 1 / (n + 1)


def test_no_scores_at_all_are_refused():
    """Without scores there is no promise."""
    with pytest.raises(CalibrationRefused, match="needs held-out windows, got none"):
        calibrate([], settings=CalibrationSettings())


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60),
    st.integers(1, 999),
    st.sampled_from(["false_alarm_rate", "quantile"]),
)
def test_a_row_is_flagged_exactly_when_its_p_value_is_at_most_the_rate(scores, thousandths, method):
    """Threshold and p-value never contradict each other, with ties too."""
    share = thousandths / 1000
    settings = CalibrationSettings(threshold=method, false_alarm_rate=share, quantile=share)
    try:
        found = calibrate(np.array(scores, np.float32), settings=settings)
    except CalibrationRefused:
        return
    fresh = np.arange(-1, 32, dtype=np.float32)
    flagged = fresh > found.threshold.value
    p_value = found.p_values(fresh, np.zeros(len(fresh), np.int32))
    assert (p_value[flagged] <= found.threshold.rate + 1e-12).all()
    assert (p_value[~flagged] > found.threshold.rate + 1e-12).all()


def test_p_values_of_fresh_data_are_uniform():
    """A share p of normal rows has a p-value of at most p."""
    random = np.random.default_rng(2)
    held_out, fresh = random.gamma(2, size=(2, 20_000)).astype(np.float32)
    found = Reference.of(held_out).p_values(fresh)
    for level in (0.001, 0.01, 0.1, 0.5, 0.9):
        spread = np.sqrt(2 * level * (1 - level) / 20_000)
        assert (found <= level).mean() == pytest.approx(level, abs=4 * spread)


@given(st.lists(st.floats(0, 100, width=32), min_size=1), st.floats(0, 100, width=32))
def test_p_values_fall_with_the_score_and_are_never_0(scores, fresh):
    """A higher score has a smaller p-value; only the tail goes below 1 / (n + 1)."""
    reference = Reference.of(np.array(scores, np.float32))
    low, high = reference.p_values(np.array([fresh, fresh + 1], np.float32))
    assert 0 < high <= low <= 1
    assert (low >= 1 / (len(scores) + 1)) | (fresh > max(scores))


def test_held_out_scores_are_kept_in_order():
    """p-values are computed from them, and the input is not modified."""
    before = NINETEEN.copy()
    kept = calibrate(NINETEEN, settings=CalibrationSettings()).scores
    assert kept.tolist() == list(range(1, 20))
    np.testing.assert_array_equal(before, NINETEEN)


def test_each_entity_with_enough_scores_has_its_own_threshold():
    """The promise holds for each, and an entity with few scores shares the pooled threshold."""
    scores = np.concatenate([np.arange(1, 20), np.arange(101, 120), [50]]).astype(np.float32)
    entity = np.repeat(np.array([0, 1, 2], dtype=np.int32), [19, 19, 1])
    settings = CalibrationSettings(false_alarm_rate=0.05)
    found = calibrate(scores, settings=settings, entity=entity)
    assert found.thresholds(np.array([0, 1, 2, 0], dtype=np.int32)).tolist() == [19, 119, 118, 19]


def test_p_values_are_among_the_scores_of_the_same_entity():
    """A score anomalous for one entity may be normal for another; small ones use the pool."""
    scores = np.concatenate([np.arange(1, 20), np.arange(101, 120)]).astype(np.float32)
    entity = np.repeat(np.array([0, 1], dtype=np.int32), 19)
    settings = CalibrationSettings(false_alarm_rate=0.05)
    found = calibrate(scores, settings=settings, entity=entity)
    fresh, whose = np.full(3, 60, np.float32), np.array([0, 1, 7], dtype=np.int32)
    small, *others = found.p_values(fresh, whose).tolist()
    assert small <= 1 / 20
    assert others == [1, 20 / 39]


@pytest.mark.parametrize("method", ["false_alarm_rate", "quantile"])
def test_flags_and_p_values_agree_for_every_entity(method):
    """A row is flagged exactly when its p-value is at most the rate of its entity's threshold."""
    random = np.random.default_rng(3)
    entity = np.repeat(np.array([0, 1, 2], dtype=np.int32), [200, 60, 5])
    scores = (random.gamma(2, size=265) * (entity + 1)).astype(np.float32)
    settings = CalibrationSettings(threshold=method, false_alarm_rate=0.05, quantile=0.95)
    found = calibrate(scores, settings=settings, entity=entity)
    flagged = scores > found.thresholds(entity)
    groups = [found.own.get(code, found) for code in entity.tolist()]
    rates = np.array([group.threshold.rate for group in groups])
    np.testing.assert_array_equal(found.p_values(scores, entity) <= rates + 1e-12, flagged)


def test_the_scope_of_the_promise_is_each_entity_that_has_enough_rows():
    """The others share a threshold, which promises nothing for one of them alone."""
    settings = CalibrationSettings(false_alarm_rate=0.05)
    entity = np.repeat(np.arange(4, dtype=np.int32), [100, 100, 5, 5])
    scores = np.random.default_rng(0).gamma(2, size=210).astype(np.float32)
    assert calibrate(scores, settings=settings, entity=entity).scope == (
        "for each of 2 entities by its own held-out rows, and for the other 2 together, "
        "not for each"
    )
    few = calibrate(scores, settings=settings, entity=np.arange(210, dtype=np.int32) // 5)
    assert few.scope == "for all 42 entities together, not for each"
    assert calibrate(scores, settings=settings).scope == ""


def test_the_scope_names_the_larger_rate_of_single_entities():
    """A quantile promises somewhat less where there are fewer rows."""
    settings = CalibrationSettings(threshold="quantile", quantile=0.98)
    entity = np.repeat(np.arange(2, dtype=np.int32), [1000, 50])
    scores = np.random.default_rng(0).gamma(2, size=1050).astype(np.float32)
    found = calibrate(scores, settings=settings, entity=entity)
    assert f"at most {percent(found.own[1].threshold.rate)}" in found.scope
    assert found.own[1].threshold.rate > found.threshold.rate


def test_many_short_entities_share_one_threshold():
    """40,000 entities took minutes, as each was looked for among the rows of all."""
    entity = np.repeat(np.arange(40_000, dtype=np.int32), 5)
    scores = np.random.default_rng(0).gamma(2, size=len(entity)).astype(np.float32)
    found = calibrate(scores, settings=CalibrationSettings(), entity=entity)
    found.p_values(scores, entity)
    found.thresholds(entity)
    assert not found.own
