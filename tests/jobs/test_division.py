"""The data of many detectors, divided by the values of a column."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from aedetect.config import make_config, of_value
from aedetect.data import value_split
from aedetect.errors import ConfigError
from aedetect.jobs.division import divide_input, divide_training


@pytest.fixture
def by_site(tmp_path):
    """The configuration of a detector for each site, with data in in/."""
    given = {
        "detector": {"name": "plant", "by": "site"},
        "data": {"train": "in", "timestamp": "time"},
        "scoring": {"input": "in", "output": "out"},
    }
    return make_config(given, folder=tmp_path)


@pytest.fixture
def sites(make_frame):
    """Make a table of some sites, in the order of time."""

    def sites(*names, rows=20, start="2026-01-01"):
        frame = make_frame(units=names, rows=rows, start=start).rename(columns={"unit": "site"})
        return frame.sort_values("time", kind="stable", ignore_index=True)

    return sites


def pieces(config, kind="input"):
    """The rows of each piece of the divided data."""
    folder = config.output / "_values" / kind
    found = sorted(folder.rglob("*.parquet"))
    return {str(path.relative_to(folder)): pq.read_metadata(path).num_rows for path in found}


def test_a_mixed_file_is_divided_in_order(by_site, sites, write, tmp_path):
    """Each value has the rows of the file that are its own, with all columns and types."""
    frame = sites("east", "west")
    write(frame, tmp_path / "in" / "day.parquet", row_group_size=7)
    divided = divide_input(by_site)
    assert dict(divided.rows) == {"east": 20, "west": 20}
    assert pieces(by_site) == {"east/day.parquet": 20, "west/day.parquet": 20}
    east = pq.read_table(by_site.output / "_values/input/east/day.parquet")
    whole = pq.read_table(tmp_path / "in" / "day.parquet")
    assert east.schema.equals(whole.schema, check_metadata=True)
    kept = frame[frame["site"] == "east"].reset_index(drop=True)
    assert east.to_pandas().equals(kept.astype(east.to_pandas().dtypes.to_dict()))


def test_a_large_file_gives_numbered_pieces(by_site, sites, write, tmp_path, monkeypatch):
    """Rows are not held beyond a number of bytes, and the order of names is that of the rows."""
    monkeypatch.setattr(value_split, "_MOST_BYTES", 100)
    write(sites("east", "west"), tmp_path / "in" / "day.parquet", row_group_size=20)
    assert dict(divide_input(by_site).rows) == {"east": 20, "west": 20}
    assert list(pieces(by_site)) == [
        f"{site}/day{part}.parquet" for site in ("east", "west") for part in ("", "~0001")
    ]


def test_files_of_one_value_are_linked_to(by_site, sites, write, tmp_path):
    """By their footer, or by their path: they cost no space."""
    write(sites("east"), tmp_path / "in" / "a.parquet")
    write(sites("west").drop(columns="site"), tmp_path / "in" / "site=west" / "b.parquet")
    assert dict(divide_input(by_site).rows) == {"east": 20, "west": 20}
    folder = by_site.output / "_values" / "input"
    assert (folder / "east" / "a.parquet").readlink() == tmp_path / "in" / "a.parquet"
    assert (folder / "west" / "site=west" / "b.parquet").is_symlink()


def test_only_what_changed_is_divided_again(by_site, sites, write, tmp_path):
    """What is gone from the input is gone from the pieces, with its value."""
    write(sites("east", "west"), tmp_path / "in" / "a.parquet")
    write(sites("east", "north"), tmp_path / "in" / "b.parquet")
    divide_input(by_site)
    place = by_site.output / "_values" / "input" / "east" / "a.parquet"
    before = place.stat()
    write(sites("west"), tmp_path / "in" / "b.parquet")
    divided = divide_input(by_site)
    assert dict(divided.rows) == {"east": 20, "west": 40}
    assert place.stat() == before
    assert list(pieces(by_site)) == ["east/a.parquet", "west/a.parquet", "west/b.parquet"]


def test_rows_that_no_detector_takes_are_named(by_site, sites, write, tmp_path):
    """Rows without a value, files without the column, and files that cannot be read."""
    frame = sites("east", "west")
    frame.loc[:2, "site"] = None
    write(frame, tmp_path / "in" / "a.parquet")
    write(frame.drop(columns="site"), tmp_path / "in" / "b.parquet")
    (tmp_path / "in" / "c.parquet").write_bytes(b"PAR1 and no more")
    notes = divide_input(by_site).notes
    assert notes[0] == "a.parquet: 3 rows without a site are left out"
    assert notes[1] == "b.parquet has no column site: no detector takes its rows (40 rows)"
    assert notes[2].startswith("c.parquet cannot be divided by site (")


def test_pieces_of_a_file_that_cannot_be_read_any_more_stay(by_site, sites, write, tmp_path):
    """Their verdicts are not withdrawn."""
    path = write(sites("east", "west"), tmp_path / "in" / "a.parquet")
    divide_input(by_site)
    path.write_bytes(b"PAR1 and no more")
    divided = divide_input(by_site)
    assert dict(divided.rows) == {"east": 20, "west": 20}
    assert list(pieces(by_site)) == ["east/a.parquet", "west/a.parquet"]
    assert divided.notes[0].startswith("a.parquet cannot be divided by site (")


def test_another_column_divides_anew(by_site, sites, write, tmp_path):
    """Nothing of the column before is left."""
    frame = sites("east", "west")
    write(frame.assign(line=7), tmp_path / "in" / "a.parquet")
    divide_input(by_site)
    given = {
        "detector": {"name": "plant", "by": "line"},
        "data": {"train": "in", "timestamp": "time"},
        "scoring": {"input": "in", "output": "out"},
    }
    other = make_config(given, folder=tmp_path)
    assert dict(divide_input(other).rows) == {"7": 40}  # of a number, the text
    assert list(pieces(other)) == ["7/a.parquet"]


def test_training_data_of_another_place_are_divided_apart(by_site, sites, write, tmp_path):
    """Data that are scored and trained on alike are divided once."""
    write(sites("east"), tmp_path / "in" / "a.parquet")
    write(sites("east", rows=30), tmp_path / "old" / "b.parquet")
    divide_training(by_site)
    assert not (by_site.output / "_values" / "train").exists()
    given = {
        "detector": {"name": "plant", "by": "site"},
        "data": {"train": "old", "timestamp": "time"},
        "scoring": {"input": "in", "output": "out"},
    }
    apart = make_config(given, folder=tmp_path)
    assert dict(divide_training(apart).rows) == {"east": 30}
    assert of_value(apart, "east").train == (str(apart.output / "_values" / "train" / "east"),)


def test_data_on_object_storage_are_refused(tmp_path):
    """They are divided on a disk."""
    import fsspec

    fsspec.filesystem("memory").pipe("/by-site/a.parquet", b"PAR1")
    given = {
        "detector": {"name": "plant", "by": "site"},
        "data": {"train": "memory://by-site", "timestamp": "time"},
        "scoring": {"output": "out"},
    }
    with pytest.raises(ConfigError, match=r"\[detector\] by needs data on a disk, got memory://"):
        divide_training(make_config(given, folder=tmp_path))
