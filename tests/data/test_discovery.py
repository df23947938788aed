"""The Parquet files that a location refers to."""

from __future__ import annotations

import pytest

from aedetect.data.discovery import locate_files, locate_sources
from aedetect.errors import NoData


@pytest.fixture
def folder(tmp_path):
    """Two files on different levels, and files that are not input."""
    (tmp_path / "b" / "_temporary").mkdir(parents=True)
    for name in ("b/2.parquet", "1.pq", ".hidden.parquet", "b/_temporary/x.parquet", "x.csv"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_names_are_relative_and_ordered(folder):
    """The files of a folder have the same names wherever the folder is."""
    assert [name for _, name in locate_files(str(folder)).files] == ["1.pq", "b/2.parquet"]
    assert next(path for path, _ in locate_files(str(folder)).files) == str(folder / "1.pq")


def test_a_file_and_a_glob_name_their_files(folder):
    """A file is named by its last part, a glob from its last fixed folder."""
    assert [name for _, name in locate_files(f"{folder}/1.pq").files] == ["1.pq"]
    assert [name for _, name in locate_files(f"{folder}/*/2.parquet").files] == ["b/2.parquet"]


def test_nothing_is_an_error(folder):
    """A missing location and one without Parquet files have different messages."""
    with pytest.raises(NoData, match="no such file or folder"):
        locate_files(f"{folder}/absent")
    with pytest.raises(NoData, match="no Parquet file"):
        locate_files(f"{folder}/b/_temporary/*.csv")


def test_files_of_one_name_have_distinct_names(folder):
    """Two sources with a file of the same name give two names, and both files are tracked."""
    (folder / "c").mkdir()
    (folder / "c" / "2.parquet").write_bytes(b"")
    found = list(locate_sources([f"{folder}/b", f"{folder}/c", f"{folder}/1.pq"]).files)
    assert [name for _, name in found] == ["0/2.parquet", "1/2.parquet", "1.pq"]


def test_file_at_two_locations_is_found_once(folder):
    """Its rows would be scored twice."""
    paths = [path for path, _ in locate_sources([str(folder), f"{folder}/b/*.parquet"]).files]
    assert paths == [str(folder / "1.pq"), str(folder / "b" / "2.parquet")]
