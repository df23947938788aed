"""Parts of an input that cannot be listed are named, and not treated as deleted."""

from __future__ import annotations

import os

import pytest

from aedetect.data import find_files
from aedetect.data.discovery import locate_files, locate_sources
from aedetect.data.listing import unseen_names
from aedetect.errors import NoData


@pytest.fixture
def folder(tmp_path):
    """Files in three folders."""
    for name in ("a/1.parquet", "b/2.parquet", "b/c/3.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


@pytest.fixture
def close(monkeypatch):
    """Return a function that makes listing a folder fail, also for root."""
    closed, real = set(), os.scandir

    def scandir(path="."):
        if str(path) in closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return lambda path: closed.add(str(path))


def names(location):
    """The names at a location, folders that cannot be listed among them."""
    return [name for _, name in locate_files(str(location)).files]


def test_a_closed_folder_is_named_after_the_files(folder, close):
    """Regardless of its content, and of whether it was listed before."""
    close(folder / "b")
    assert names(folder) == ["a/1.parquet", "b/"]
    (aside,) = [each for each in _aside(folder) if each.name == "b/"]
    assert str(aside) == "b/: cannot be listed (Permission denied)"


def _aside(*locations):
    """The names quarantined; empty files are quarantined too, so that one must be complete."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"time": pa.array([0], pa.timestamp("us"))}), locations[0] / "0.pq")
    return find_files([str(each) for each in locations], timestamp="time").quarantined


def test_links_that_lead_nowhere_are_named(folder):
    """A missing target, as after a failed mount, and a cycle."""
    (folder / "b").rename(folder.parent / "elsewhere")
    (folder / "b").symlink_to(folder.parent / "unmounted", target_is_directory=True)
    (folder / "circle").symlink_to(folder / "circle")
    assert names(folder) == ["a/1.parquet", "b/", "circle/"]
    reasons = {each.name: each.reason for each in _aside(folder)}
    assert reasons["b/"] == "cannot be listed (No such file or directory)"
    assert reasons["circle/"] == "cannot be listed (Too many levels of symbolic links)"


def test_a_pattern_names_the_folders_that_may_hold_matches(folder, close):
    """And no other folders."""
    close(folder / "b" / "c")
    assert names(f"{folder}/**/*.parquet") == ["a/1.parquet", "b/2.parquet", "b/c/"]
    assert names(f"{folder}/*/*.parquet") == ["a/1.parquet", "b/2.parquet"]
    close(folder / "b")
    assert names(f"{folder}/*/*.parquet") == ["a/1.parquet", "b/"]
    assert names(f"{folder}/a*/*.parquet") == ["a/1.parquet"]


def test_an_input_of_which_nothing_can_be_seen_is_an_error(folder, close):
    """If the whole input, or everything in it, cannot be listed."""
    close(folder / "a")
    close(folder / "b")
    with pytest.raises(NoData, match=r"/a cannot be listed \(Permission denied\).*grant access"):
        names(folder)
    close(folder)
    with pytest.raises(NoData, match="cannot be listed"):
        names(folder)
    with pytest.raises(NoData, match="cannot be listed"):
        names(f"{folder}/*/*.parquet")


def test_what_is_no_input_may_be_closed(folder, close):
    """Hidden folders, and lost+found."""
    for name in (".snapshots", "_temporary", "lost+found"):
        (folder / name).mkdir()
        close(folder / name)
    assert names(folder) == ["a/1.parquet", "b/2.parquet", "b/c/3.parquet"]


def test_a_closed_folder_at_two_locations_is_named_for_each(folder, close):
    """By the number of the location, as files are."""
    other = folder.parent / "other"
    (other / "b").mkdir(parents=True)
    (other / "4.parquet").write_bytes(b"")
    for place in (folder / "b", other / "b"):
        close(place)
    found = [name for _, name in locate_sources([str(folder), str(other)]).files]
    assert found == ["a/1.parquet", "0/b/", "4.parquet", "1/b/"]


def test_files_may_be_there_unseen():
    """Below a quarantined folder, also if the name has the number of its location."""
    made = ["north/d.pq", "0/north/d.pq", "north", "northern/d.pq", "south/north/d.pq", "e.pq"]
    assert unseen_names(made, ["north/"]) == {"north/d.pq", "0/north/d.pq", "north"}
    assert unseen_names(made, ["0/north/"]) == {"0/north/d.pq"}
    assert unseen_names(made, ["e.pq"]) == {"e.pq"}
    assert unseen_names(made, []) == set()
