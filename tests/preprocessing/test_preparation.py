"""Filling, encoding and scaling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aedetect.data import Feature, Rows, Schema
from aedetect.preprocessing import Part, Preparation
from aedetect.preprocessing.encoding import encode_categories
from aedetect.preprocessing.filling import carry_from
from aedetect.preprocessing.settings import PrepareSettings
from aedetect.timestamps import NANOSECONDS

MINUTE = NANOSECONDS["min"]
NUMBER, MODE = Feature("a", "number"), Feature("mode", "category", ("eco", "fast"))


def rows(values, *, names=("u",)):
    """Rows one minute apart, the entities one after another, of equal length."""
    table = np.array(values, dtype=float).reshape(len(values), -1)
    each = len(table) // len(names)
    return Rows(
        time=np.tile(np.arange(each), len(names)) * MINUTE,
        entity=np.repeat(np.arange(len(names), dtype=np.int32), each),
        names=names,
        values=table,
    )


def prepared_by(table, *features, context=(), parts=None, limit=10, **settings):
    """A preparation fitted to rows; all are for learning unless parts are given."""
    schema = Schema(
        timestamp="t",
        aware=False,
        entity="u",
        features=features or (NUMBER,),
        context=context,
        period=MINUTE,
        max_gap=5 * MINUTE,
    )
    return Preparation.fit(
        table,
        np.zeros(len(table), dtype=np.int8) if parts is None else parts,
        schema=schema,
        settings=PrepareSettings(**settings),
        missing_limit=limit * MINUTE,
    )


STEADY = rows(np.random.default_rng(0).normal(size=100))


def test_only_the_learning_part_is_used():
    """Later rows have no effect."""
    parts = np.zeros(100, dtype=np.int8)
    parts[60:] = Part.CALIBRATE
    wild = replace(STEADY, values=STEADY.values.copy())
    wild.values[60:] += 1e6
    first, second = (prepared_by(table, parts=parts).scaling for table in (STEADY, wild))
    np.testing.assert_array_equal(first.center, second.center)
    np.testing.assert_array_equal(first.scale, second.scale)


def test_each_entity_is_scaled_by_itself_by_default():
    """The same value is high for one entity and low for another."""
    table = rows(np.concatenate([STEADY.values, STEADY.values + 100]), names=("u", "v"))
    own = prepared_by(table).transform(table).matrix
    np.testing.assert_allclose(own[:100], own[100:], atol=1e-4)
    together = prepared_by(table, per_entity=False).transform(table).matrix
    assert together[:100].max() < together[100:].min()


def test_an_entity_with_few_rows_takes_what_is_typical_of_all():
    """The scale of three rows is not reliable."""
    few = Rows(
        time=np.concatenate([STEADY.time, STEADY.time[:3]]),
        entity=np.repeat(np.array([0, 1], dtype=np.int32), [100, 3]),
        names=("u", "thin"),
        values=np.concatenate([STEADY.values, np.zeros((3, 1))]),
    )
    scaling = prepared_by(few).scaling
    np.testing.assert_array_equal(scaling.scale[1], scaling.scale[2])


def test_an_unseen_entity_is_not_usable():
    """It has no typical values; when scaled together, it is treated like the others."""
    stranger = replace(STEADY, names=("stranger",))
    assert not prepared_by(STEADY).transform(stranger).usable.any()
    assert prepared_by(STEADY, per_entity=False).transform(stranger).usable.all()


def test_a_missing_value_is_carried_for_so_long():
    """The last value up to the limit, then the row is unusable; filled cells are not observed."""
    table = rows([1.0, *[np.nan] * 4, 2.0])
    prepared = prepared_by(STEADY, limit=2).transform(table)
    assert prepared.usable.tolist() == [True, True, True, False, False, True]
    assert prepared.observed.ravel().tolist() == [True, *[False] * 4, True]
    np.testing.assert_array_equal(prepared.matrix[:3], prepared.matrix[[0, 0, 0]])


def test_nothing_is_carried_over_from_another_entity():
    """The first row of an entity has no earlier value."""
    table = rows([1.0, 2.0, np.nan, 3.0], names=("u", "v"))
    learnt = prepared_by(rows(np.tile(STEADY.values, (2, 1)), names=("u", "v")))
    assert learnt.transform(table).usable.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("missing", "usable"), [("typical", [True, True]), ("refuse", [True, False])]
)
def test_a_missing_value_is_typical_or_refused(missing, usable):
    """As configured."""
    prepared = prepared_by(STEADY, missing=missing).transform(rows([1.0, np.nan]))
    assert prepared.usable.tolist() == usable
    assert prepared.matrix[1, 0] == 0


def test_an_infinite_value_is_marked_and_treated_as_missing():
    """It never reaches the model."""
    prepared = prepared_by(STEADY).transform(rows([1.0, np.inf, -np.inf]))
    assert prepared.infinite.ravel().tolist() == [False, True, True]
    assert np.isfinite(prepared.matrix).all()
    assert prepared.observed.ravel().tolist() == [True, False, False]


def test_a_category_becomes_a_column_for_each_value():
    """An unseen category is in none of the columns, a missing one is filled forward."""
    learnt = prepared_by(rows([[0.0, 0.0], [1.0, 1.0]] * 50), NUMBER, MODE)
    assert learnt.owner.tolist() == [0, 1, 1]
    assert learnt.first_columns.tolist() == [0, 1]
    seen = learnt.transform(rows([[0.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, np.nan]]))
    np.testing.assert_array_equal(seen.matrix[:, 1:], [[1, 0], [0, 1], [0, 0], [0, 0]])
    assert seen.observed[:, 1:].tolist() == [[True, True]] * 3 + [[False, False]]


def test_encoding_numbers_copies_nothing():
    """There is nothing to encode."""
    assert encode_categories(STEADY.values, (NUMBER,)) is STEADY.values


def test_context_is_a_circle():
    """Midnight follows the last minute of the day, Monday follows Sunday."""
    learnt = prepared_by(STEADY, context=("hour", "weekday"))
    assert learnt.width == 5
    day = replace(STEADY, time=np.arange(100) * 6 * NANOSECONDS["h"])
    calendar = learnt.transform(day).matrix[:, 1:]
    np.testing.assert_allclose(calendar[:4, 0], [0, 1, 0, -1], atol=1e-6)
    np.testing.assert_allclose(calendar[0], calendar[28], atol=1e-6)


@given(st.floats(-1e30, 1e30))
def test_what_is_prepared_can_be_undone(value):
    """To original units, also beyond the limit of compression."""
    learnt = prepared_by(STEADY)
    matrix = learnt.transform(rows([value])).matrix.astype(np.float64)
    back = learnt.inverse_transform(matrix, np.zeros(1, dtype=np.int32))[0, 0]
    assert back == pytest.approx(value, rel=1e-4, abs=1e-5)


def test_values_beyond_the_limit_grow_slowly_and_never_stop():
    """The network stays in its range, and a more extreme value stays more extreme."""
    far = prepared_by(STEADY).transform(rows([20.0, 1e3, 1e6, 1e300])).matrix.ravel()
    assert (np.diff(far) > 0).all()
    assert far[0] > 10
    assert far[-1] < 1000


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_carrying_looks_back_to_the_last_value(missing, data):
    """Equal to a loop over the rows."""
    starts = [True, *[data.draw(st.booleans()) for _ in missing[1:]]]
    last, expected = -1, []
    for row, (hole, start) in enumerate(zip(missing, starts, strict=True)):
        last = -1 if start else last
        last = last if hole else row
        expected.append(last)
    assert carry_from(np.array(missing), np.array(starts)).tolist() == expected


@pytest.mark.parametrize(
    ("share", "cells", "needed"),
    [(None, 10, 5), (None, 9, 5), (None, 1, 1), (0.5, 1, 5), (0.3, 10, 3), (0.0, 10, 1)],
)
def test_a_row_needs_half_the_features_that_rows_typically_have(share, cells, needed):
    """Unless a share of all is set; at least one is required."""
    values = np.zeros((100, 10))
    values[:, cells:] = np.nan
    features = tuple(Feature(f"f{k}", "number", ()) for k in range(10))
    schema = Schema(
        timestamp="t", aware=False, entity=None, features=features, context=(), period=1, max_gap=5
    )
    parts = np.zeros(100, dtype=np.int8)
    table = rows(values)
    chosen = PrepareSettings(min_observed=share)
    learnt = Preparation.fit(table, parts, schema=schema, settings=chosen, missing_limit=10)
    assert learnt.min_observed == needed


def test_many_short_entities_take_the_typical_values_of_all():
    """Each took the quantiles of all rows together: 8,000 entities of 40 rows took 45 s."""
    names = tuple(f"m{number:05}" for number in range(30_000))
    table = rows(np.random.default_rng(0).normal(size=(600_000, 2)), names=names)
    features = (NUMBER, Feature("b", "number"))
    preparation = prepared_by(table, *features)
    preparation.transform(table)
    assert (preparation.scaling.center == preparation.scaling.center[-1]).all()
