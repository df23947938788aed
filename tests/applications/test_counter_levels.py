"""Counters in a table that is cleaned or imputed: levels again, not increases."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flags import ORIGIN

from aedetect.applications import clean_rows, impute_rows
from aedetect.applications.counter_levels import CounterLevels
from aedetect.applications.impute import impute_reach
from aedetect.data import Query, Rows, find_files, open_engine, read_rows
from aedetect.preprocessing.windows import surrounded

MINUTE = 60 * 10**9


def metered(make_frame, *, start="2026-01-01", seed=0, rows=600):
    """Two units with an energy meter, which starts again, and a sensor that it follows."""
    frame = make_frame(start=start, seed=seed, rows=rows)
    steps = np.rint(20 + 5 * frame["a"]).astype(int)
    return frame.assign(energy=np.cumsum(steps) % 20_000)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory, make_frame, write, learn):
    """A scorer that learnt the increase of the meter."""
    folder = tmp_path_factory.mktemp("meter")
    write(metered(make_frame), folder / "train.parquet")
    scorer = learn(folder, model={"variant": "linear"}).trained.scorer
    assert scorer.schema.names == ("a", "b", "energy")
    assert scorer.schema.features[2].counter
    return scorer


@pytest.fixture
def rows(make_frame, write, tmp_path, scorer):
    """Newer rows as they are in a file."""
    write(metered(make_frame, start="2026-02-01", seed=5, rows=300), tmp_path / "new.parquet")
    query = Query.of(
        scorer.schema, find_files([str(tmp_path)], timestamp="time").files, levels=True
    )
    with open_engine(memory_mb=200, scratch=tmp_path) as connection:
        (rows,) = read_rows(connection, query)
    return rows


def holed(rows, *holes):
    """The rows without some cells of the meter."""
    values = rows.values.copy()
    for hole in holes:
        values[hole, 2] = np.nan
    return Rows(time=rows.time, entity=rows.entity, names=rows.names, values=values)


def test_missing_levels_are_filled_between_the_readings(scorer, rows):
    """They rise from one reading to the next; the filled increases are near the real ones."""
    holes = slice(20, 30), slice(100, 101), slice(400, 440)
    change = impute_rows(scorer, holed(rows, *holes))
    assert np.flatnonzero(change.wanted.any(axis=1)).tolist() == [
        *range(20, 30), 100, *range(400, 440)
    ]  # fmt: skip
    for hole in holes:
        filled, real = change.values[hole, 2], rows.values[hole, 2]
        around = np.concatenate(
            [rows.values[[hole.start - 1], 2], filled, rows.values[[hole.stop], 2]]
        )
        assert (np.diff(around) >= 0).all()
        assert np.abs(filled - real).max() < 5


def test_a_meter_that_starts_again_and_ends_are_filled_from_one_side(scorer, rows):
    """Before the first reading backwards, after the last and before a reset onwards."""
    levels = rows.values[:, 2]
    assert (np.diff(levels[:300]) >= 0).all()
    reset = 150
    values = rows.values.copy()
    values[reset:300, 2] = levels[reset:300] - levels[reset]
    own = Rows(time=rows.time, entity=rows.entity, names=rows.names, values=values)
    holes = slice(0, 5), slice(reset - 4, reset), slice(596, 600)
    change = impute_rows(scorer, holed(own, *holes))
    for hole in holes:
        assert np.abs(change.values[hole, 2] - values[hole, 2]).max() < 30
    assert change.wanted[[0, reset - 1, 599], 2].all()


def test_what_no_reading_is_near_stays_missing(scorer, rows):
    """A unit whose meter never reported."""
    change = impute_rows(scorer, holed(rows, slice(0, 300)))
    assert not change.wanted[:, 2].any()
    assert (change.reason < 0).all()


def test_filled_levels_do_not_depend_on_batches(scorer, rows):
    """A filled cell does not depend on how rows are cut into batches."""
    given = holed(rows, slice(20, 30), slice(95, 105), slice(240, 262), slice(290, 310))
    whole = impute_rows(scorer, given).values
    reach = impute_reach(scorer)
    batches = [given.take(slice(k, k + 50)) for k in range(0, len(rows), 50)]
    turns = surrounded(batches, behind=reach.behind, ahead=reach.ahead, lookback=reach.lookback)
    parts = [impute_rows(scorer, around).values[turn] for around, turn in turns]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5)


def test_cleaned_levels_follow_from_the_reading_before(scorer, rows):
    """The level before plus the expected increase; without a reading before, as it is."""
    values = rows.values.copy()
    values[100:, 2] += 400
    jumped = Rows(time=rows.time, entity=rows.entity, names=rows.names, values=values)
    change = clean_rows(scorer, jumped)
    assert change.values[0, 2] == values[0, 2]
    assert np.abs(change.values[[50, 150], 2] - values[[50, 150], 2]).max() < 10
    assert change.values[100, 2] < values[99, 2] + 200


def test_the_rewritten_file_has_levels(scorer, rows, tmp_path):
    """Of the type that they had."""
    from aedetect.applications import rewrite_table
    from aedetect.applications.rewrite import RewriteRequest

    table = pq.read_table(tmp_path / "new.parquet")
    energy = table["energy"].to_pylist()
    energy[20:25] = [None] * 5
    table = table.set_column(table.schema.get_field_index("energy"), "energy", pa.array(energy))
    pq.write_table(table, tmp_path / "new.parquet")
    files = find_files([str(tmp_path)], timestamp="time").files
    rewrite_table(
        files,
        lambda some: impute_rows(scorer, some),
        schema=scorer.schema,
        reach=impute_reach(scorer),
        asked=RewriteRequest(features=np.ones(3, dtype=bool)),
        target=tmp_path / "filled.parquet",
        origin=ORIGIN,
    )
    filled = pq.read_table(tmp_path / "filled.parquet")
    assert filled.schema.field("energy").type == pa.int64()
    assert np.abs(np.array(filled["energy"][20:25]) - rows.values[20:25, 2]).max() < 5
    assert filled["energy"][:20].to_pylist() == energy[:20]


def test_without_counters_rows_are_as_they_are(rows, detector):
    """Nothing is copied."""
    own = Rows(time=rows.time, entity=rows.entity, names=rows.names, values=rows.values[:, :2])
    levels = CounterLevels.of(own, detector.scorer.schema)
    assert levels.increases is own
    assert np.array_equal(levels.filled_levels(own.values), own.values)
