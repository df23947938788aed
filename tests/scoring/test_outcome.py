"""The outcome of the last days beside the promise."""

import numpy as np
import pytest

from aedetect.calibration.poisson import count_interval
from aedetect.scoring.outcome import PeriodOutcome, share_interval
from aedetect.scoring.outcome_table import alerts_of_outcome


def _outcome(low, events_low=0.1):
    return PeriodOutcome(
        period=7, days=7, entity=None, together=True, rows=10_000, flagged=500, share=0.05,
        low=low, high=0.08, promise=0.001, events_a_day=1.0, events_low=events_low,
        events_high=3.0, events_promise=1.0,
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
