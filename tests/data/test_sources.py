"""Finding input files, and quarantining what cannot be read."""

from __future__ import annotations

import fsspec
import pytest

from aedetect.data import find_files
from aedetect.data.sources import fingerprint_files
from aedetect.data.wholeness import is_whole
from aedetect.errors import NoData


@pytest.fixture
def folder(tmp_path, make_frame, write):
    """Two days in a folder, and files that are not input."""
    frame = make_frame(rows=20)
    for day in ("02", "01"):
        write(frame, tmp_path / f"day={day}" / "part.parquet")
    write(frame, tmp_path / "_temporary" / "half.parquet")
    write(frame, tmp_path / ".hidden.parquet")
    (tmp_path / "notes.txt").write_text("no Parquet")
    return tmp_path


def names(source):
    """The names of the files found."""
    return [file.name for file in source.files]


def test_a_folder_gives_its_parquet_files_in_order(folder):
    """Hidden and underscored files, and files other than Parquet, are ignored."""
    source = find_files([str(folder)], timestamp="time")
    assert names(source) == ["day=01/part.parquet", "day=02/part.parquet"]
    assert source.files[0].hive == {"day"}
    assert source.files[0].rows == 40


def test_a_glob_names_files_from_its_fixed_part(folder):
    """The same names as from the folder."""
    assert names(find_files([f"{folder}/day=*/*.parquet"], timestamp="time")) == [
        "day=01/part.parquet",
        "day=02/part.parquet",
    ]


def test_a_url_is_opened_through_fsspec(folder):
    """Files that fsspec can open can be read."""
    memory = fsspec.filesystem("memory")
    memory.pipe("/plant/x.parquet", (folder / "day=01" / "part.parquet").read_bytes())
    source = find_files(["memory://plant"], timestamp="time")
    assert names(source) == ["x.parquet"]
    assert source.files[0].times is not None
    assert len(fingerprint_files(source.files)["x.parquet"]) == 32


def test_no_such_file_is_named(tmp_path):
    """The location that does not exist is named."""
    with pytest.raises(NoData, match=r"no such file or folder: .*/absent: check the path"):
        find_files([str(tmp_path / "absent")], timestamp="time")


@pytest.mark.parametrize("place", ["", "/*.parquet"])
def test_a_place_without_parquet_is_named(tmp_path, place):
    """A folder, or a glob, without a Parquet file."""
    with pytest.raises(NoData, match=r"no Parquet file \(\.parquet.*\) in .*: point to"):
        find_files([f"{tmp_path}{place}"], timestamp="time")


@pytest.mark.parametrize("keep", [0, 3, 4, 200, -1])
def test_a_truncated_file_among_good_ones_is_quarantined_by_name(folder, keep):
    """The good ones are used."""
    broken = folder / "day=02" / "part.parquet"
    broken.write_bytes(broken.read_bytes()[:keep])
    source = find_files([str(folder)], timestamp="time")
    assert names(source) == ["day=01/part.parquet"]
    assert [file.name for file in source.quarantined] == ["day=02/part.parquet"]
    assert "is not readable Parquet" in str(source.quarantined[0])


def test_nothing_but_broken_files_is_an_error(tmp_path):
    """There is no usable file, and the first is named."""
    (tmp_path / "x.parquet").write_text("PAR1 but not really")
    with pytest.raises(NoData, match=r"the only Parquet file .* cannot be used \(x\.parquet: is"):
        find_files([str(tmp_path)], timestamp="time")


def test_a_file_without_rows_has_no_times(tmp_path, make_frame, write):
    """It is otherwise a normal file."""
    write(make_frame(rows=5).iloc[:0], tmp_path / "x.parquet")
    file = find_files([str(tmp_path)], timestamp="time").files[0]
    assert (file.rows, file.times) == (0, None)


def test_a_fingerprint_follows_the_content_and_not_the_file(folder):
    """Copies agree, and one changed byte of the same size does not."""
    files = find_files([str(folder)], timestamp="time").files
    first, second = fingerprint_files(files).values()
    assert first == second
    path = folder / "day=01" / "part.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(bytes(content))
    assert fingerprint_files(files)["day=01/part.parquet"] != first


def test_a_corrupt_page_shows_when_the_file_is_read_to_the_end(folder):
    """The footer does not show it."""
    file = find_files([str(folder)], timestamp="time").files[0]
    assert is_whole(file)
    path = folder / file.name
    content = bytearray(path.read_bytes())
    foot = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[foot - 200 : foot] = bytes(200)
    path.write_bytes(bytes(content))
    assert find_files([str(folder)], timestamp="time").quarantined == ()
    assert not is_whole(file)
