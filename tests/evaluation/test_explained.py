"""How much two versions know of cells that they do not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.evaluation.explained import HiddenCells, explained_checks
from aedetect.evaluation.settings import PromotionSettings

ROWS = 1_000  # of each of two entities
SETTINGS = PromotionSettings()
NOISE = np.random.default_rng(1).normal(size=(2 * ROWS, 3))


@pytest.fixture(scope="module")
def good():
    """Two entities at levels of their own, three columns, and what is expected of them."""
    random = np.random.default_rng(0)
    entity = np.repeat(np.arange(2, dtype=np.int32), ROWS)
    signal = random.normal(size=(2 * ROWS, 3)) + 7.0 * entity[:, None]
    return HiddenCells(entity, signal + random.normal(scale=0.3, size=signal.shape), signal)


def compared(challenger, champion):
    """The one check of two versions."""
    (check,) = explained_checks({"challenger": challenger, "champion": champion}, SETTINGS)
    return check


def test_an_equal_knows_as_much(good):
    """And its difference has no width."""
    check = compared(good, good)
    assert check.challenger == check.champion > 0.85
    assert check.evidence == 0


@pytest.mark.parametrize("scale", [0.0, 1.0, -1.0])
def test_one_that_knows_nothing_of_the_others_is_stopped(good, scale):
    """The mean of each entity, chance, and the contrary of what comes are no knowledge."""
    level = np.where(good.entity[:, None] == 0, 0.0, 7.0)
    wrong = level + np.abs(scale) * NOISE if scale >= 0 else 2 * level - good.expected
    bad = replace(good, expected=wrong)
    check = compared(bad, good)
    assert check.challenger == pytest.approx(0, abs=0.01)
    assert check.evidence < check.limit < 0
    assert compared(good, bad).evidence > 0


def test_levels_and_units_do_not_count(good):
    """After the world has changed the champion expects other levels; scalings differ too."""
    shift = np.where(good.entity[:, None] == 0, 3.0, -5.0)
    other = replace(good, expected=good.expected + shift)
    assert compared(good, other).champion == pytest.approx(compared(good, good).champion)
    scaled = HiddenCells(good.entity, good.observed * 9, good.expected * 0.2)
    assert compared(scaled, good).evidence == pytest.approx(0)


def test_a_little_less_passes(good):
    """Other seeds and variants differ by points."""
    check = compared(replace(good, expected=good.expected + 0.4 * NOISE), good)
    assert check.challenger < check.champion - 0.05
    assert check.evidence > check.limit


def test_missing_cells_and_columns_at_rest_do_not_count(good):
    """A column that never moves has nothing to know; without any there is no check."""
    observed = good.observed.copy()
    observed[:, 0] = 5.0
    observed[::3, 1] = np.nan
    holed = replace(good, observed=observed)
    assert compared(holed, holed).champion > 0.85
    still = replace(good, observed=np.ones_like(observed))
    assert explained_checks({"challenger": still, "champion": still}, SETTINGS) == ()
    assert explained_checks({}, SETTINGS) == ()


def test_on_few_rows_little_is_sure(good):
    """What two blocks leave open is wider than what forty do."""
    noisy = replace(good, expected=good.expected + NOISE)
    many = compared(noisy, good)
    few = [HiddenCells(c.entity[:120], c.observed[:120], c.expected[:120]) for c in (noisy, good)]
    some = compared(*few)
    assert some.evidence - (some.challenger - some.champion) > many.evidence - (
        many.challenger - many.champion
    )
