"""What speaks for a challenger: measures on rows that both versions scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.calibration import HeldOut
from aedetect.calibration.calibration import DEFAULT_TIMING
from aedetect.evaluation.gate import CommonRows, Verdicts, level_at, measure
from aedetect.evaluation.settings import PromotionSettings

ROWS = 4_000  # minutes, 2.8 days
SETTINGS = PromotionSettings()


@pytest.fixture
def common():
    """A series without known anomalies."""
    rows = HeldOut.of(np.zeros(ROWS))
    return CommonRows(rows, np.full(ROWS, -1), DEFAULT_TIMING)


@pytest.fixture
def honest():
    """Uniform p-values, two flagged rows as predicted, and half of the injected rows found."""
    p_value = (np.random.default_rng(0).permutation(ROWS) + 1) / ROWS
    injected = np.repeat([1e-9, 0.5], 20)
    return Verdicts(p_value=p_value, flagged=p_value <= 2 / ROWS, injected=injected, predicted=0.7)


def failing(common, challenger, champion):
    """The names of the checks that are beyond their limits."""
    verdicts = {"challenger": challenger, "champion": champion}
    found = measure(common, verdicts, SETTINGS)
    return {
        each.name
        for each in found
        if (each.challenger < each.limit) == each.greater_is_better
        and each.challenger != each.limit
    }


def test_an_equal_passes(common, honest):
    """A version is as good as itself."""
    assert failing(common, honest, honest) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"injected": np.repeat([1e-9, 0.5], [15, 25])}, {"injected_found"}),
        ({"flagged": np.arange(ROWS) % 200 == 0}, {"alert_volume_factor"}),
        ({"predicted": 0.0}, {"alert_volume_factor"}),
        ({"predicted": 30.0}, {"alert_volume_factor"}),
    ],
)
def test_each_fault_is_named(common, honest, change, expected):
    """Fewer injected anomalies, or another number of events than predicted."""
    assert failing(common, replace(honest, **change), honest) == expected


def test_p_values_are_checked_for_what_they_promise(common, honest):
    """Too many small ones are too many alarms at any threshold."""
    small = replace(honest, p_value=honest.p_value**2)
    assert failing(common, small, honest) == {"p_value_factor"}
    assert failing(common, small, small) == set()  # the champion is no better
    other = replace(honest, p_value=honest.p_value[::-1])
    assert failing(common, other, honest) == {"rank_agreement"}


def test_known_anomalies_have_to_be_found(common, honest):
    """One fewer is no evidence; all of them are."""
    known = np.full(ROWS, -1)
    known[100:130] = np.repeat(np.arange(3), 10)
    champion = replace(honest, flagged=honest.flagged | (known >= 0))
    inside = replace(common, known=known)
    assert failing(inside, replace(honest, flagged=champion.flagged & (known != 0)), champion) == (
        set()
    )
    assert "known_found" in failing(inside, honest, champion)


def test_too_few_rows_are_no_evidence():
    """Nothing else is measured."""
    few = CommonRows(HeldOut.of(np.zeros(9)), np.full(9, -1), DEFAULT_TIMING)
    (check,) = measure(few, {}, SETTINGS)
    assert (check.name, check.challenger, check.limit) == ("rows", 9, SETTINGS.min_rows)


def test_a_level_keeps_to_a_number_of_events(common):
    """Just below, not above: rows far apart are an event each."""
    p_value = np.ones(ROWS)
    p_value[::500] = np.logspace(-8, -1.1, 8)
    level = level_at(common.rows, p_value, common.timing, events=3)
    assert (p_value <= level).sum() == 3
