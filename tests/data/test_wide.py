"""Tables of many columns are read in groups of columns, as they would be at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aedetect.data import Query, find_files, open_engine, plain_files, read_rows, wide
from aedetect.data.memmap import map_rows
from aedetect.errors import DataError


@pytest.fixture
def query(tmp_path):
    """Two files with repeated rows, text and missing cells, in no order."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(900, 7)), columns=list("abcdefg"))
    frame.loc[frame["c"] > 1, "c"] = np.nan
    frame["mode"] = random.choice(["on", "off"], 900)
    frame["time"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(
        random.integers(0, 300, 900), unit="min"
    )
    frame["unit"] = random.choice(["p", "q"], 900)
    for number in range(2):
        frame.iloc[number::2].to_parquet(tmp_path / f"{number}.parquet", index=False)
    names = dict.fromkeys("abcdefg", ())
    return Query(
        files=find_files([str(tmp_path)], timestamp="time").files,
        timestamp="time",
        entity="unit",
        categories={**names, "mode": ("off", "on")},
        missing={"a": (), "c": ()},
    )


def mapped(query, folder, read):
    """The mapped rows of a query."""
    folder.mkdir()
    with open_engine(memory_mb=200, scratch=folder) as connection:
        return read(connection)


def test_groups_give_the_rows_of_all_columns(query, tmp_path, monkeypatch):
    """In the same order, the same duplicates left out."""
    whole = mapped(
        query,
        tmp_path / "whole",
        lambda c: map_rows(read_rows(c, query), columns=8, folder=tmp_path / "whole"),
    )
    plain = mapped(
        query,
        tmp_path / "plain",
        lambda c: wide.map_columns(lambda: c, query, folder=tmp_path / "plain"),
    )
    assert plain.duplicates == whole.duplicates
    np.testing.assert_array_equal(plain.rows.values, whole.rows.values)
    monkeypatch.setattr(plain_files, "_FEW_CELLS", 0)
    monkeypatch.setattr(wide, "GROUP", 3)
    monkeypatch.setattr("aedetect.data.reader.BATCH_ROWS", 97)
    grouped = mapped(
        query,
        tmp_path / "groups",
        lambda c: wide.map_columns(lambda: c, query, folder=tmp_path / "groups"),
    )
    assert len(wide.column_groups(query)) == 3
    assert grouped.duplicates == whole.duplicates > 0
    assert grouped.rows.names == whole.rows.names
    np.testing.assert_array_equal(grouped.rows.time, whole.rows.time)
    np.testing.assert_array_equal(grouped.rows.entity, whole.rows.entity)
    np.testing.assert_array_equal(grouped.rows.values, whole.rows.values)
    assert not list((tmp_path / "groups").glob("*/values.f8"))


def test_files_that_change_between_groups_are_an_error(query, tmp_path, monkeypatch):
    """Columns of other rows are never joined."""
    monkeypatch.setattr(plain_files, "_FEW_CELLS", 0)
    monkeypatch.setattr(wide, "GROUP", 3)
    seen = []

    def changing(connection, group):
        if len(seen) == 1:
            table = pd.read_parquet(tmp_path / "1.parquet")
            table.iloc[:-5].to_parquet(tmp_path / "1.parquet", index=False)
        seen.append(group)
        return read_rows(connection, group)

    monkeypatch.setattr(wide, "read_rows", changing)
    with pytest.raises(DataError, match="changed while read"):
        mapped(
            query,
            tmp_path / "x",
            lambda c: wide.map_columns(lambda: c, query, folder=tmp_path / "x"),
        )
