"""Rows ordered in memory come as DuckDB orders them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aedetect.data import Query, find_files, open_engine, read_rows
from aedetect.data import reader as reading

NAMES = ("b", "a", "Z", "é", "", None, "ab", "\U0001f600", "\uff5e")


def frame(*, kind, rows=900):
    """Rows of entities with odd names; in some kinds with several rows of one moment."""
    random = np.random.default_rng(3)
    minutes = np.arange(rows) // len(NAMES)
    entity = np.array(NAMES * (rows // len(NAMES)), dtype=object)
    if kind == "ties":
        minutes //= 5
    found = pd.DataFrame(
        {
            "time": pd.Timestamp("2026-01-01") + pd.to_timedelta(minutes, unit="min"),
            "unit": entity,
            "value": random.normal(size=rows).astype(np.float32),
            "state": random.choice(["on", "off", None, "new"], size=rows),
        }
    )
    if kind == "shuffled":
        return found.sample(frac=1, random_state=1)
    return found.sort_values(["unit", "time"]) if kind == "sorted" else found


def read(folder, scratch):
    """All rows of the files, and how many batches they came in."""
    files = find_files([str(folder)], timestamp="time").files
    query = Query(
        files=files,
        timestamp="time",
        entity="unit",
        categories={"value": (), "state": ("off", "on")},
    )
    with open_engine(memory_mb=100, scratch=scratch) as connection:
        batches = list(read_rows(connection, query))
    names = [each.names[code] for each in batches for code in each.entity.tolist()]
    time = np.concatenate([each.time for each in batches])
    return names, time.tolist(), np.concatenate([each.values for each in batches]), len(batches)


@pytest.mark.parametrize("kind", ["by time", "sorted", "shuffled", "ties"])
def test_rows_come_as_the_database_orders_them(tmp_path, monkeypatch, kind):
    """By the bytes of names, those without one last; and by file and row at one moment."""
    folder = tmp_path / "input"
    folder.mkdir()
    whole = frame(kind=kind)
    for number, part in enumerate((whole[:500], whole[500:], whole[::7])):
        part.to_parquet(folder / f"{number}.parquet", index=False, row_group_size=100)
    monkeypatch.setattr(reading, "BATCH_ROWS", 128)
    here = read(folder, tmp_path)
    monkeypatch.setattr(reading, "WHOLE_CELLS", 0)
    there = read(folder, tmp_path)
    assert here[:2] == there[:2]
    assert np.array_equal(here[2], there[2], equal_nan=True)
    assert here[3] > 1


def test_a_batch_ends_with_an_entity(tmp_path, monkeypatch):
    """Unless one entity alone has more rows: what goes on is looked at again with rows before."""
    folder = tmp_path / "input"
    folder.mkdir()
    frame(kind="by time").to_parquet(folder / "all.parquet", index=False)
    query = Query(
        files=find_files([str(folder)], timestamp="time").files,
        timestamp="time",
        entity="unit",
        categories={"value": ()},
    )
    for most, sizes in ((250, [200, 200, 200, 200, 100]), (70, [70, 30] * len(NAMES))):
        monkeypatch.setattr(reading, "BATCH_ROWS", most)
        with open_engine(memory_mb=100, scratch=tmp_path) as connection:
            assert [len(each) for each in read_rows(connection, query)] == sizes


def test_the_rows_of_a_batch_name_their_own_entities_alone(tmp_path, monkeypatch):
    """So that what is looked up by name does not grow with the entities of the table."""
    folder = tmp_path / "input"
    folder.mkdir()
    frame(kind="sorted").to_parquet(folder / "all.parquet", index=False)
    monkeypatch.setattr(reading, "BATCH_ROWS", 100)
    query = Query(
        files=find_files([str(folder)], timestamp="time").files,
        timestamp="time",
        entity="unit",
        categories={"value": ()},
    )
    with open_engine(memory_mb=100, scratch=tmp_path) as connection:
        named = [each.names for each in read_rows(connection, query)]
    assert [name for names in named for name in names] == sorted(
        NAMES, key=lambda name: (name is None, (name or "").encode())
    )
