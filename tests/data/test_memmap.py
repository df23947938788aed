"""Rows on disk, memory-mapped."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from aedetect.data import Rows
from aedetect.data.memmap import batches_of, map_rows
from aedetect.data.sampling import sampling_period


def rows(times, names):
    """Rows at given times of the named entities; the value of each is its position."""
    known = tuple(dict.fromkeys(names))
    return Rows(
        time=np.array(times, dtype=np.int64),
        entity=np.array([known.index(name) for name in names], dtype=np.int32),
        names=known,
        values=np.arange(len(times), dtype=np.float64)[:, None],
    )


@pytest.mark.parametrize("cuts", [(), (2,), (1, 2, 3, 4, 5)])
def test_of_duplicates_the_first_is_kept(tmp_path, cuts):
    """For any cut into batches, also between duplicates."""
    whole = rows([1, 5, 5, 5, 5, 7], ["a", "a", "a", "b", "b", "b"])
    ends = [0, *cuts, 6]
    batches = [whole.take(slice(a, b)) for a, b in pairwise(ends)]
    collected = map_rows(batches, columns=1, folder=tmp_path)
    assert collected.duplicates == 2
    assert collected.rows.time.tolist() == [1, 5, 5, 7]
    assert collected.rows.values.ravel().tolist() == [0, 1, 3, 5]
    assert [collected.rows.names[code] for code in collected.rows.entity] == ["a", "a", "b", "b"]


def test_batches_with_names_of_their_own_are_joined(tmp_path):
    """Each batch numbers its entities from 0, and rows without an entity come last."""
    batches = [rows([1, 2], ["a", "b"]), rows([3, 1], ["b", None]), rows([2], [None])]
    found = map_rows(batches, columns=1, folder=tmp_path).rows
    assert found.names == ("a", "b", None)
    assert found.entity.tolist() == [0, 1, 1, 2, 2]


def test_no_rows_are_collected_too(tmp_path):
    """An empty file cannot be mapped, and is not."""
    found = map_rows([], columns=3, folder=tmp_path).rows
    assert len(found) == 0
    assert found.values.shape == (0, 3)


def test_rows_are_mapped_and_not_held(tmp_path):
    """They are limited by the disk, not by memory."""
    found = map_rows([rows([1], ["a"])], columns=1, folder=tmp_path).rows
    assert isinstance(found.values, np.memmap)
    assert sum(len(batch) for batch in batches_of(found)) == 1


def test_period_is_the_median_step_within_entities():
    """Neither gaps nor the step from one entity to the next count."""
    times = [0, 60, 120, 180, 9000, 0, 60]
    assert sampling_period(rows(times, ["a"] * 5 + ["b"] * 2)) == 60


def test_single_rows_have_no_period():
    """There is no step to estimate it from."""
    assert sampling_period(rows([1, 2], ["a", "b"])) is None
    assert sampling_period(rows([], [])) is None
