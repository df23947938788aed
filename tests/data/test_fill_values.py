"""Numbers that stand for a missing value: found in the data, or named in the configuration."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from aedetect.data import Rows
from aedetect.data.fill_values import find_fill_values, looks_like_fill
from aedetect.data.missing_values import mark_missing, sql_without

NUMBERS = (-9999.0, -999.0, 65535.0, 32767.0, 9.96921e36, 1.7e308, -3.4028235e38, 1e20, 99999.0)


def found(column, *more):
    """The fill values of a column, by value: the cells that hold it."""
    values = np.column_stack([column, *more]).astype(float)
    rows = Rows(
        time=np.arange(len(values)),
        entity=np.zeros(len(values), np.int32),
        names=("a",),
        values=values,
    )
    fills = find_fill_values(rows, [f"c{k}" for k in range(values.shape[1])], [0])
    assert {fill.column for fill in fills} <= {"c0"}
    return {fill.value: fill.cells for fill in fills}


@pytest.fixture
def sensor():
    """A sensor around 20."""
    return 20 + np.random.default_rng(0).normal(0, 1, 30_000)


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("cells", [1, 2, 300, 20_000])
def test_fill_values_are_found(sensor, value, cells):
    """However often they are there; once is enough."""
    sensor[np.random.default_rng(1).permutation(len(sensor))[:cells]] = value
    assert found(sensor) == {value: cells}


def test_several_fill_values_of_a_column_are_found(sensor):
    """On both sides."""
    sensor[5:10], sensor[100], sensor[200:300] = -9999, 1.7e308, 9999
    assert found(sensor) == {-9999: 5, 9999: 100, 1.7e308: 1}


def test_an_unknown_number_far_off_is_found_when_it_is_repeated(sensor):
    """A single one may be a measurement."""
    sensor[7] = 1.23e12
    assert found(sensor) == {}
    sensor[50:53] = 1.23e12
    assert found(sensor) == {1.23e12: 4}


def test_real_states_are_no_fill_values(sensor):
    """A pump that stands, a full scale, percent, a rare alarm, long tails, a constant, a code."""
    random = np.random.default_rng(2)
    count = len(sensor)
    speed = np.where(random.random(count) < 0.3, 0, 1500 + random.normal(0, 5, count))
    idle = np.where(random.random(count) < 0.3, 500, speed)
    percent = np.clip(60 + random.normal(0, 20, count), 0, 99)
    alarm = (np.arange(count) % 9000 == 0).astype(float)
    tail = np.exp(random.normal(0, 4, count))
    whole = random.integers(0, 65536, count)
    for real in (speed, idle, percent, alarm, tail, whole, np.full(count, 9999), sensor):
        assert found(real) == {}
    assert found(np.full(count, np.nan)) == {}


def test_what_looks_like_a_fill_value():
    """Nines, limits of whole numbers, and huge ones."""
    assert all(looks_like_fill(value) for value in (*NUMBERS, 99.9, -99.0, float(np.float32(1e30))))
    assert not any(looks_like_fill(value) for value in (0, 9, 1, -1, 20.5, 100, 1000, 65536, 199))


def test_numbers_are_recognised_alike_in_sql_and_in_arrays():
    """Whole numbers exactly, others as float32 holds them."""
    cells = [-9999.0, -9999.001, 9.969209968386869e36, 1.7e308, 20.0, np.nan, np.inf, 65535.0, -1.5]
    missing = (-9999.0, 9.96921e36, 1.7e308, 65535.0)
    marked = mark_missing(np.array(cells), missing)
    assert marked.tolist() == [True, False, True, True, False, False, False, True, False]
    listed = ", ".join(f"CAST('{cell!r}' AS DOUBLE)" for cell in cells)
    query = f"SELECT ({sql_without('x', missing)}) IS NULL FROM (SELECT unnest([{listed}]) AS x)"
    assert [row[0] for row in duckdb.sql(query).fetchall()] == marked.tolist()
    assert sql_without("x", ()) == "x"
