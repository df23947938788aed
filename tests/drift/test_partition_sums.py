"""Sums of a partition depend on its rows, not on how they come; a profile is read as written."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file

from aedetect.calibration import HeldOut
from aedetect.data import Feature, Rows, Schema
from aedetect.drift import PartitionSums, Profile, partition_sums
from aedetect.drift.partition_sums import partition_batches
from aedetect.drift.sums_table import SCHEMA as SCHEMA_OF_DRIFT
from aedetect.preprocessing import Preparation, split_by_time
from aedetect.preprocessing.settings import PrepareSettings

MINUTE, DAY = 60_000_000_000, 1_440
SCHEMA = Schema(
    timestamp="time", aware=False, entity="unit", context=(), period=MINUTE, max_gap=5 * MINUTE,
    features=(Feature("a", "number"), Feature("b", "number"),
              Feature("c", "category", ("off", "on"))),
)  # fmt: skip


def rows_of(days, *, seed=0, add=0.0, missing=0.0, unseen=0.0):
    """Rows of two units; of the first, column b is moved or goes missing, c is of no category."""
    rng, count = np.random.default_rng(seed), days * DAY
    parts = []
    for unit in range(2):
        values = np.column_stack([rng.normal(size=(count, 2)), rng.integers(0, 2, count)])
        if unit == 0:
            values[:, 1] += add
            values[rng.uniform(size=count) < missing, 1] = np.nan
            values[rng.uniform(size=count) < unseen, 2] = -1
        parts.append(values)
    return Rows(
        time=np.tile(np.arange(count) * MINUTE, 2),
        entity=np.repeat(np.arange(2, dtype=np.int32), count),
        names=("east", "west"),
        values=np.concatenate(parts),
    )


@pytest.fixture(scope="module")
def learnt():
    """A preparation and the profile of ten days."""
    rows = rows_of(10)
    parts = split_by_time(rows, holdout=0.2, gap=4)
    preparation = Preparation.fit(
        rows, parts, schema=SCHEMA, settings=PrepareSettings(), missing_limit=MINUTE
    )
    held_out = HeldOut.of(np.exp(np.random.default_rng(1).normal(size=1_000)))
    return preparation, Profile.fit(rows, preparation, period=MINUTE, held_out=held_out)


def sums_of(learnt, rows, cuts=()):
    """The sums of rows, which are added in some pieces."""
    preparation, profile = learnt
    sums = PartitionSums(profile, preparation, period=MINUTE, length=4)
    score = np.random.default_rng(2).uniform(1, 2, len(rows)).astype(np.float32)
    edges = [0, *cuts, len(rows)]
    for start, end in itertools.pairwise(edges):
        piece = slice(start, end)
        sums.add(rows.take(piece), score[piece], np.minimum(1 / score[piece].astype(float), 1))
    return sums


def summed(learnt, rows, cuts=()):
    """The rows of the output, as one table."""
    (batches,) = partition_batches([sums_of(learnt, rows, cuts)])
    return pa.Table.from_batches(batches).to_pandas()


def cell(table, entity, column):
    """The row of one column of an entity."""
    found = table[(table["entity"] == entity) & (table["column"] == column)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize("together", [1, 2**40])
def test_partitions_have_the_rows_that_each_has_alone(learnt, monkeypatch, together):
    """However many are made in one go, and one without rows among them."""
    monkeypatch.setattr(partition_sums, "_TOGETHER", together)
    days = [rows_of(1, seed=3, missing=0.1), rows_of(1, seed=4, add=1.0), rows_of(1, seed=5)]
    days[1] = days[1].take(slice(0, 0))
    parts = [sums_of(learnt, rows, cuts=(700,) if len(rows) else ()) for rows in days]
    found = [pa.Table.from_batches(each, SCHEMA_OF_DRIFT) for each in partition_batches(parts)]
    assert [len(each) for each in found] == [12, 0, 12]
    for rows, table in zip(days[::2], found[::2], strict=True):
        assert table.to_pandas().equals(summed(learnt, rows))


@pytest.mark.parametrize("waiting", [1, 50, 4_096])
@pytest.mark.parametrize("cuts", [(1,), (700, 1_440, 1_441), (1_000, 1_000)])
def test_batches_have_no_say(learnt, monkeypatch, cuts, waiting):
    """The same rows in other pieces give the same sums, in the same order, however many wait."""
    monkeypatch.setattr(partition_sums, "_ROWS", waiting)
    rows = rows_of(1, seed=3, missing=0.1)
    whole, pieces = summed(learnt, rows), summed(learnt, rows, cuts)
    assert whole.to_json() == pieces.to_json()
    assert whole["log_p"].dropna().tolist() == pieces["log_p"].dropna().tolist()


def test_moved_column_is_beyond_its_limit_and_no_other(learnt):
    """One spread in one column of one unit: that cell alone has shifted."""
    table = summed(learnt, rows_of(1, seed=3, add=1.0))
    beyond = table[(table["psi"] > table["psi_limit"]) & (table["scope"] == "entity")]
    assert beyond[["entity", "column"]].to_numpy().tolist() == [["east", "b"]]


def test_missing_and_unseen_cells_are_counted(learnt):
    """Shares are those that were made, within what a day of rows shows."""
    table = summed(learnt, rows_of(1, seed=3, missing=0.3, unseen=0.2))
    gone, unknown = cell(table, "east", "b"), cell(table, "east", "c")
    assert gone["missing"] / gone["rows"] == pytest.approx(0.3, abs=0.1)
    assert gone["missing"] / gone["rows"] > gone["missing_limit"]
    assert unknown["unseen"] / unknown["rows"] == pytest.approx(0.2, abs=0.1)
    assert cell(table, "west", "c")["unseen"] == 0


def test_all_together_is_the_sum(learnt):
    """The rows of the scope "all" hold what entities hold."""
    table = summed(learnt, rows_of(1, seed=3))
    own = table[(table["scope"] == "entity") & (table["column"] == "a")]
    every = table[(table["scope"] == "all") & (table["column"] == "a")].iloc[0]
    assert every["rows"] == own["rows"].sum()
    assert (np.sum(np.stack(list(own["counts"])), axis=0) == every["counts"]).all()


def test_profile_is_read_as_written(learnt, tmp_path):
    """All arrays come back; a folder without the file has no profile."""
    _, profile = learnt
    assert Profile.read(tmp_path, features=3, entities=2) is None
    profile.write(tmp_path)
    again = Profile.read(tmp_path, features=3, entities=2)
    for name, array in vars(profile).items():
        np.testing.assert_array_equal(array, getattr(again, name))


def test_profile_of_other_sizes_is_refused(learnt, tmp_path):
    """A file for other columns or entities, or with numbers that cannot be, is an error."""
    learnt[1].write(tmp_path)
    for features, entities in ((2, 2), (3, 1)):
        with pytest.raises(ValueError, match=r"drift\.safetensors does not fit"):
            Profile.read(tmp_path, features=features, entities=entities)
    path = tmp_path / "drift.safetensors"
    arrays = load_file(path)
    arrays["usual"][0, 0, 0] = np.nan
    save_file(arrays, path)
    with pytest.raises(ValueError, match="must be finite"):
        Profile.read(tmp_path, features=3, entities=2)
    path.write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"drift\.safetensors"):
        Profile.read(tmp_path, features=3, entities=2)


def test_short_training_judges_no_column():
    """Two days are no experience of how days differ: every limit is infinite."""
    rows = rows_of(2)
    preparation = Preparation.fit(
        rows, split_by_time(rows, holdout=0.2, gap=4), schema=SCHEMA,
        settings=PrepareSettings(), missing_limit=MINUTE,
    )  # fmt: skip
    held_out = HeldOut.of(np.ones(100))
    profile = Profile.fit(rows, preparation, period=MINUTE, held_out=held_out)
    assert np.isinf(profile.limit).all()
