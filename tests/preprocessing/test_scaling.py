"""Scaling of columns by their typical values."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from aedetect.preprocessing.scaling import Scaling
from aedetect.preprocessing.settings import ScalerName

SCALERS = typing.get_args(ScalerName)
FLAT = np.array([False])


def one(values, scaler="standard"):
    """The scaling of one column of one series."""
    return Scaling.fit([np.array(values, dtype=float)[:, None]], scaler=scaler, flat=FLAT)


def scaled(scaling, *values):
    """Scaled values of the single column."""
    column = np.array(values, dtype=float)[:, None]
    return scaling.transform(column, np.zeros(len(column), dtype=np.int32)).ravel()


@pytest.mark.parametrize("scaler", SCALERS)
def test_what_is_scaled_can_be_undone(scaler):
    """To original units, within the training range and beyond."""
    values = np.random.default_rng(0).lognormal(size=(500, 2))
    scaling = Scaling.fit([values[:250], values], scaler=scaler, flat=np.zeros(2, dtype=bool))
    entity = np.repeat(np.array([0, 1], dtype=np.int32), 250)
    wide = values * np.linspace(-3, 3, 500)[:, None]
    np.testing.assert_allclose(
        scaling.inverse_transform(scaling.transform(wide, entity), entity), wide, rtol=1e-9
    )


@pytest.mark.parametrize("scaler", SCALERS)
def test_a_larger_value_stays_larger(scaler):
    """Also far beyond the training range: no value saturates."""
    scaling = one(np.random.default_rng(0).normal(size=300), scaler)
    assert (np.diff(scaled(scaling, *np.linspace(-50, 50, 200))) > 0).all()


def test_standard_is_in_standard_deviations():
    """From the mean."""
    np.testing.assert_allclose(scaled(one([1, 3]), 1, 2, 5), [-1, 0, 3])


def test_robust_is_not_moved_by_an_outlier():
    """Unlike a mean."""
    values = np.linspace(-1, 1, 101)
    spoilt = np.append(values[:-1], 1e9)
    np.testing.assert_allclose(
        scaled(one(spoilt, "robust"), 0.5), scaled(one(values, "robust"), 0.5), atol=0.1
    )


def test_robust_falls_back_where_quartiles_coincide():
    """A counter that is mostly 0 is not constant."""
    scaling = one([0] * 90 + [5] * 10, "robust")
    assert 0.5 < scaled(scaling, 5)[0] < 10


def test_minmax_is_in_ranges():
    """From the smallest value."""
    np.testing.assert_allclose(scaled(one([2, 4, 6], "minmax"), 2, 6, 8), [0, 1, 1.5])


def test_quantile_makes_any_distribution_normal():
    """A share of values below stays a share."""
    values = np.random.default_rng(0).lognormal(sigma=2, size=2000)
    result = scaled(one(values, "quantile"), *np.quantile(values, [0.16, 0.5, 0.84]))
    np.testing.assert_allclose(result, [-1, 0, 1], atol=0.05)


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("constant", [0.0, 1e-12, 5.0, -3e9])
def test_the_first_change_of_a_constant_is_bounded(scaler, constant):
    """It counts as a few units of scale, not as a hundred million."""
    scaling = one([constant] * 100, scaler)
    change = constant * 1.5 if constant else 0.5
    assert scaled(scaling, constant) == pytest.approx(0, abs=1e-6)
    assert 0.1 < abs(scaled(scaling, change)[0]) < 10


@pytest.mark.parametrize("scaler", SCALERS)
def test_rounding_of_a_large_constant_is_no_spread(scaler):
    """What arithmetic rounds away is the same."""
    values = 1e9 + np.random.default_rng(0).normal(scale=1e-3, size=100)
    assert abs(scaled(one(values, scaler), 1e9 + 1)[0]) < 1


def test_a_constant_of_one_entity_takes_the_spread_of_all():
    """An idle machine is scaled by the others."""
    idle, busy = np.zeros((100, 1)), np.array([[-1.0], [1.0]] * 50)
    pooled = np.concatenate([idle, busy])
    scaling = Scaling.fit([idle, busy, pooled], scaler="standard", flat=FLAT)
    change = scaling.transform(np.array([[1.0]]), np.zeros(1, dtype=np.int32))
    assert change[0, 0] == pytest.approx(1 / pooled.std())


@pytest.mark.parametrize("scaler", SCALERS)
def test_missing_and_infinite_values_are_not_trained_on(scaler):
    """They do not affect typical values, and a column without other values is not scaled."""
    values = np.random.default_rng(0).normal(size=200)
    holes = np.concatenate([values, [np.nan, np.inf, -np.inf]])
    np.testing.assert_array_equal(
        scaled(one(holes, scaler), 1, 2), scaled(one(values, scaler), 1, 2)
    )
    assert np.isfinite(scaled(one([np.nan] * 5, scaler), 3)).all()


@pytest.mark.parametrize("scaler", SCALERS)
def test_flat_columns_are_left_as_they_are(scaler):
    """A category's column is 0 or 1."""
    values = np.array([[0.0], [1.0]] * 50)
    scaling = Scaling.fit([values], scaler=scaler, flat=np.array([True]))
    np.testing.assert_allclose(scaled(scaling, 0, 1), [0, 1], atol=1e-12)
