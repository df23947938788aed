"""A partition that is too large for one worker: the bytes of an undivided one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from plant import DAYS, ROWS, contents, write
from upath import UPath

from aedetect.data import Query, find_files
from aedetect.data import reader as reading
from aedetect.data.sql import EntityRange
from aedetect.jobs import scoring
from aedetect.output.partitions import Span
from aedetect.scoring import sharding, waves
from aedetect.scoring.shards import Merge, Shard, compute_shard, merge_shards
from aedetect.scoring.worker import ComputedPartition, compute_partition


@pytest.fixture
def planned(plant):
    """Plan the three days: the model, the units, and the output folder."""
    return plan(plant)


def plan(plant):
    """Return the model, the units, and the output folder."""
    config = plant.config()
    model = scoring.resolve_model(config)
    job = scoring.plan_run(config, model, span=Span(), scratch=plant.folder)
    return model, job.plan.compute, plant.output


@pytest.fixture(params=[True, False], ids=["in memory", "sorted on disk"])
def anyhow(request, monkeypatch):
    """Read shards as small and as large ones are read."""
    if not request.param:
        monkeypatch.setattr(reading, "WHOLE_CELLS", 0)


def divided(unit, model, place, *, shards):
    """Return the shards of a unit."""
    place.mkdir(parents=True, exist_ok=True)
    return sharding.divide_unit(unit, model, shards=shards, place=place, scratch=place)


def test_merged_shards_have_the_bytes_of_the_whole(planned, anyhow):
    """The second day has an unseen entity, repeats and gaps; drift is among what is compared."""
    model, units, output = planned
    for unit in units:
        whole = compute_partition(unit, model=model, output=output / "a")
        shards = divided(unit, model, output / "place", shards=3)
        assert len(shards) > 1
        computed = tuple(compute_shard(each, model=model, output=output / "b") for each in shards)
        assert merge_shards(Merge(unit, computed), model=model, output=output / "b") == whole
    assert contents(output / "a") == contents(output / "b")
    assert any(name.startswith("drift/") for name in contents(output / "a"))


def test_rows_without_an_entity_are_of_the_last_shard(plant, anyhow):
    """Names are compared by their bytes, whatever is in them."""
    path = plant.incoming / f"{DAYS[0]}.parquet"
    rows = pd.read_parquet(path)
    rows.loc[:40, "unit"] = None
    rows.loc[2_000:2_040, "unit"] = "it's"
    rows.loc[2_100:2_140, "unit"] = "Ünit"
    write(rows, path)
    model, (unit, *_), output = plan(plant)
    shards = divided(unit, model, output / "place", shards=8)
    assert [shard.entities.low for shard in shards] == [None, "it's", "west", "Ünit"]
    whole = compute_partition(unit, model=model, output=output / "a")
    computed = tuple(compute_shard(each, model=model, output=output / "b") for each in shards)
    assert sum(shard.tally.rows for shard in computed) == ROWS
    assert merge_shards(Merge(unit, computed), model=model, output=output / "b") == whole
    assert contents(output / "a") == contents(output / "b")


def test_a_partition_of_which_a_shard_failed_is_computed_in_one_piece(planned):
    """Such as for a file that was replaced meanwhile: then it is deferred, as any partition."""
    model, (unit, *_), output = planned
    shards = divided(unit, model, output / "place", shards=2)
    computed = compute_shard(shards[0], model=model, output=output)
    whole = compute_partition(unit, model=model, output=output / "a")
    assert merge_shards(Merge(unit, (computed, None)), model=model, output=output / "b") == whole
    path = unit.files[0].path
    with open(path, "r+b") as stream:  # noqa: PTH123 - in place
        stream.truncate(100)
    assert compute_shard(shards[1], model=model, output=output) is None


def test_large_partitions_are_divided_where_cores_would_wait(planned, monkeypatch):
    """Not where there are as many partitions as cores, nor small ones, nor for one core.

    Nor without a folder in common.
    """
    model, units, output = planned
    monkeypatch.setattr(sharding, "_FEWEST_CELLS", 7_000)  # 1,000 rows of three columns
    assert sharding.shards_wanted(units, model, output, cores=3) == [1, 1, 1]
    assert sharding.shards_wanted(units[:1], model, output, cores=3) == [3]
    assert sharding.shards_wanted(units[:1], model, output, cores=8) == [3]
    assert sharding.shards_wanted(units[:1], model, output, cores=1) == [1]
    assert sharding.shards_wanted(units[:1], model, UPath("memory://out"), cores=3) == [1]
    monkeypatch.setattr(sharding, "_FEWEST_CELLS", 70_000)
    assert sharding.shards_wanted(units[:1], model, output, cores=8) == [1]


def test_a_run_divides_and_merges_in_waves(planned, monkeypatch):
    """Groups and shards are of the first wave; nothing of the shards is left."""
    model, units, output = planned
    whole = [compute_partition(unit, model=model, output=output / "a") for unit in units]
    monkeypatch.setattr(sharding, "_FEWEST_CELLS", 7_000)
    monkeypatch.setattr(waves, "_SHARDS", 1)
    ran = []

    def compute(pieces):
        ran.append([type(piece) for piece in pieces])
        found = [waves.compute_piece(each, model=model, output=output / "b") for each in pieces]
        return iter(found)

    wanted = {str(unit.partition): 2 for unit in units[:2]}
    monkeypatch.setattr(
        waves,
        "shards_wanted",
        lambda units, *_, **__: [wanted.get(str(unit.partition), 1) for unit in units],
    )
    done = waves.compute_in_waves(
        units[::-1], model=model, output=output / "b", cores=2, compute=compute
    )
    assert ran == [[Shard, Shard, tuple], [Merge], [Shard, Shard], [Merge]]
    assert done == whole
    assert isinstance(done[0], ComputedPartition)
    assert contents(output / "a") == contents(output / "b")
    assert not (output / "b" / ".aside").exists()


def test_ranges_of_entities_divide_the_rows_of_a_query(tmp_path, make_frame, write, monkeypatch):
    """By a database and without one; entities that are numbers are compared as their text."""
    frame = make_frame(units=(2, 10, 7), rows=50)
    write(frame, tmp_path / "d.parquet", row_group_size=40)
    files = find_files([str(tmp_path)], timestamp="time").files
    given = {"files": files, "timestamp": "time", "entity": "unit", "categories": {"a": ()}}
    with reading.open_engine(memory_mb=128, scratch=tmp_path) as engine:
        names, times = [], []
        for low, high in ((None, "2"), ("2", "7"), ("7", None)):
            query = Query(**given, entities=EntityRange(low=low, high=high, rows=50))
            (batch,) = reading.read_rows(engine, query)
            names.append(batch.names)
            times.append(batch.time)
    assert names == [("10",), ("2",), ("7",)]
    assert all(np.array_equal(times[0], each) for each in times)
