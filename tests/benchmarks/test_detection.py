"""The measures of the benchmark of detection, on series small enough to count by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import incidents
from quality import Truth, Verdict, average, measure, ranking

sys.path.pop(0)


def marked(*rows, count=60):
    """Return rows that are marked."""
    found = np.zeros(count, dtype=np.bool_)
    found[list(rows)] = True
    return found


def scores(count=60, **at):
    """Return scores that are 0 but for some rows: r5=2.0."""
    found = np.zeros(count)
    for name, value in at.items():
        found[int(name[1:])] = value
    return found


ONE = np.zeros(60, dtype=np.int32)
TWO = np.repeat(np.array([0, 1], dtype=np.int32), 30)


def test_a_stretch_ends_with_its_entity():
    """Labelled rows on either side of the border are two stretches."""
    assert incidents.stretches(marked(3, 4, 29, 30, 31), TWO).tolist() == [
        [3, 4],
        [29, 29],
        [30, 31],
    ]
    assert incidents.stretches(marked(), ONE).shape == (0, 2)


def test_events_bridge_fewer_than_ten_rows():
    """Nine rows on is the same event, ten rows on another."""
    assert incidents.events(marked(5, 14), ONE).tolist() == [[5, 14]]
    assert incidents.events(marked(5, 15), ONE).tolist() == [[5, 5], [15, 15]]
    assert incidents.events(marked(28, 31), TWO).tolist() == [[28, 28], [31, 31]]


def test_an_event_that_touches_a_label_is_not_false():
    """Not even when its flagged rows lie around the stretch."""
    label = marked(20, 21)
    assert incidents.count_false(marked(5, 40), label, ONE) == 2
    assert incidents.count_false(marked(5, 20), label, ONE) == 1
    assert incidents.count_false(marked(18, 24), label, ONE) == 0
    assert incidents.count_false(marked(), label, ONE) == 0


def test_a_stretch_is_met_by_a_row_inside():
    """A row beside it does not count."""
    spans = incidents.stretches(marked(20, 21, 40), ONE)
    assert incidents.met(marked(21), spans).tolist() == [True, False]
    assert incidents.met(marked(19, 22, 40), spans).tolist() == [False, True]


def test_the_peak_is_that_of_the_stretch():
    """Neighbours and other stretches do not count, nor does the end of the series."""
    spans = incidents.stretches(marked(20, 21, 59), ONE)
    score = scores(r19=9.0, r21=2.0, r22=8.0, r59=3.0)
    assert incidents.peaks(score, spans).tolist() == [2.0, 3.0]


def test_the_cut_is_the_lowest_within_the_budget():
    """False events at 9, 7 and 5; the row at 6 belongs to that of 7, the stretch peaks at 8."""
    score = scores(r5=9.0, r20=8.0, r40=7.0, r44=6.0, r55=5.0) - 1e-3 * marked(*range(60))
    label = marked(20)
    cuts = incidents.cuts_within(score, label, ONE, budgets=[0, 1, 1.9, 2, 2.5])
    expected = [np.inf, 8.0, 8.0, 6.0, 6.0]
    assert cuts == pytest.approx(expected, abs=2e-3)


def test_equal_scores_are_flagged_together():
    """A budget of one is not kept by one of two rows that score the same."""
    score = np.where(marked(5, 40), 3.0, -np.inf)
    assert incidents.cuts_within(score, marked(), ONE, budgets=[1, 2]) == [np.inf, 3.0]


def test_what_was_not_scored_is_not_flagged():
    """A row at -inf neither ends the search nor joins events."""
    score = np.where(marked(5), 3.0, -np.inf)
    assert incidents.cuts_within(score, marked(), ONE, budgets=[1]) == [3.0]


@pytest.mark.parametrize("seed", range(5))
def test_counting_on_equals_counting_anew(seed):
    """For every budget the cut is that of a search over all cuts, from the highest down."""
    random = np.random.default_rng(seed)
    score = np.round(random.normal(size=300), 1)
    entity = np.repeat(np.arange(3, dtype=np.int32), (40, 160, 100))
    label = random.random(300) < 0.03
    levels = np.unique(score)[::-1]
    counts = [incidents.count_false(score >= level, label, entity) for level in levels]
    budgets = [0, 1, 2, 4, 7, 12]
    expected = []
    for budget in budgets:
        beyond = np.flatnonzero(np.array(counts) > budget)
        kept = levels[: beyond[0]] if len(beyond) else levels
        expected.append(kept[-1] if len(kept) else np.inf)
    assert incidents.cuts_within(score, label, entity, budgets=budgets) == expected


def verdict(score, *, threshold=4.0, rows=None):
    """Return a verdict with one threshold, on all rows unless some are named."""
    chosen = np.arange(len(score)) if rows is None else np.flatnonzero(rows)
    full = np.full(len(chosen), threshold)
    return Verdict(chosen, score[chosen], full, full * 0 + 0.01, training=2.0, rate=10.0)


def test_the_measures_at_the_threshold():
    """Two stretches of three rows, one met by two rows; one false event of three rows' length."""
    label = marked(10, 11, 12, 40, 41, 42)
    score = scores(r10=5.0, r11=6.0, r25=5.0, r27=5.0)
    found = measure(verdict(score), Truth(label, ONE, days=2.0))
    assert (found.met, found.rows, found.false) == (0.5, 2 / 6, 0.5)
    assert (found.normal, found.promised) == (2 / 54, pytest.approx(0.01))
    assert (found.training, found.rate) == (2.0, 10.0)


def test_the_measures_within_a_budget():
    """Two false events a day are allowed over two days, and none in two sevenths of them."""
    label = marked(10, 11, 40, 41)
    score = scores(r10=9.0, r25=8.0, r41=7.0, r55=6.0) + 1e-3 * label
    found = measure(verdict(score, threshold=100.0), Truth(label, ONE, days=1.0))
    assert (found.met_a_day, found.rows_a_day, found.normal_a_day) == (1.0, 0.5, 1 / 56)
    assert (found.met_a_week, found.rows_a_week) == (0.5, 0.25)
    assert found.met == 0


def test_entities_are_compared_in_units_of_their_thresholds():
    """A quiet entity's stretch is met although a loud one has larger false scores."""
    label = marked(40)
    score = scores(r5=100.0, r40=5.0)
    threshold = np.where(TWO == 0, 1_000.0, 10.0)
    found = Verdict(np.arange(60), score, threshold, threshold * 0, training=0, rate=1)
    assert measure(found, Truth(label, TWO, days=0.1)).met_a_day == 1.0


def test_missed_stretches_are_sorted_by_their_peak():
    """Above 99 % of normal rows: lost by the threshold; else, or unscored: by the model."""
    label = marked(10, 20, 30, 40)
    score = scores(r10=5.0, r20=3.0, r30=0.5) + 0.01 * np.arange(60)
    found = measure(verdict(score, rows=~marked(40)), Truth(label, ONE, days=1.0))
    assert (found.met, found.lost_by_threshold, found.lost_by_model) == (0.25, 0.5, 0.25)


def test_rankings_are_means_over_entities_with_labels():
    """One entity ranked perfectly, one reversed, one without labels."""
    entity = np.repeat(np.arange(3, dtype=np.int32), 20)
    label = marked(5, 25)
    score = scores(r5=1.0, r45=9.0)
    score[20:40] = 1.0
    score[25] = 0.0
    _, precision = ranking(score, Truth(label, entity, days=1.0))
    assert precision == pytest.approx((1 + 1 / 20) / 2)


def test_seeds_are_averaged():
    """Each measure by itself."""
    label, score = marked(10, 40), scores(r10=5.0)
    truth = Truth(label, ONE, days=1.0)
    found = [measure(verdict(score, threshold=each), truth) for each in (4.0, 6.0)]
    assert average(found).met == 0.25
