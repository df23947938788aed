"""The cache of input files: never stale, and optional."""

from __future__ import annotations

import os

import pytest
from plant import table

from aedetect.data import find_files, sources
from aedetect.data.sources import fingerprint_files
from aedetect.scoring import input_cache
from aedetect.scoring.input_cache import CACHE, InputCache, read_input_cache, write_input_cache

LONG_AGO = 10**18  # ns


@pytest.fixture
def incoming(tmp_path, write):
    """Two files, one of which spans a week."""
    write(table("2026-01-01"), tmp_path / "incoming" / "date=1" / "day.parquet")
    write(table("2026-01-03", days=7), tmp_path / "incoming" / "week.parquet")
    return tmp_path / "incoming"


@pytest.fixture
def keep(tmp_path, incoming, monkeypatch):
    """Inspect the files, write the cache, and return it as read again."""
    output, scratch = tmp_path / "output", tmp_path / "scratch"
    output.mkdir()
    scratch.mkdir()

    def keep(*, settled=-(10**12), timestamp="time"):
        monkeypatch.setattr(input_cache, "_SETTLED", settled)  # ns; so that tests need not wait
        source = find_files([str(incoming)], timestamp="time")
        assert [file.hours for file in source.files if "week" in file.name]
        prints = fingerprint_files(source.files)
        write_input_cache(output, source.files, prints, known=InputCache(), scratch=scratch)
        return read_input_cache(output, timestamp=timestamp)

    return keep


def test_cached_metadata_equals_the_original(keep, incoming):
    """Footers, hours and fingerprints are returned unchanged, and no file is read."""
    kept = keep()
    fresh = find_files([str(incoming)], timestamp="time")
    again = find_files([str(incoming)], timestamp="time", known=kept.files)
    assert [sum(file.hours.values()) for file in fresh.files] == [file.rows for file in fresh.files]
    for old, new in zip(again.files, fresh.files, strict=True):
        assert (old.columns, old.groups, old.hive, old.rows) == (
            new.columns,
            new.groups,
            new.hive,
            new.rows,
        )
    assert again.files[1].hours == fresh.files[1].hours
    assert again.files[1] is kept.files[str(incoming / "week.parquet"), "week.parquet"]


def test_known_files_are_not_read(keep, monkeypatch):
    """If every file is known, no fingerprint is computed; a changed file is hashed."""
    kept = keep()
    hashed = []
    monkeypatch.setattr(sources, "fingerprint_file", lambda file: hashed.append(file.name) or "f")
    seen = list(kept.files.values())
    assert all(
        len(each) == 32 for each in fingerprint_files(seen, known=kept.fingerprints).values()
    )
    assert hashed == []
    os.utime(seen[1].path)
    found = find_files([seen[1].path], timestamp="time", known=kept.files)
    assert fingerprint_files(found.files, known=kept.fingerprints) == {"week.parquet": "f"}


def test_change_with_equal_size_and_times_is_detected(keep, incoming):
    """The modification time can be set back, the change time of the inode cannot."""
    kept = keep()
    path = incoming / "week.parquet"
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    found = find_files([str(path)], timestamp="time", known=kept.files).files
    before = kept.fingerprints[str(path), "week.parquet"][1]
    assert fingerprint_files(found, known=kept.fingerprints)["week.parquet"] != before


def test_files_written_just_now_are_not_trusted(keep, incoming):
    """Within the clock's resolution they may change undetected; future times are not trusted."""
    assert keep(settled=2 * 10**9).files == {}
    assert len(keep().files) == 2
    for path in incoming.rglob("*.parquet"):
        os.utime(path, ns=(2 * 10**18, 2 * 10**18))  # in 2033
    assert keep(settled=2 * 10**9).files == {}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all"])
def test_damaged_cache_is_no_cache(keep, tmp_path, content):
    """Everything is read again, and the next run has a valid cache."""
    keep()
    path = next((tmp_path / "output" / CACHE).iterdir())
    path.write_bytes(content)
    assert read_input_cache(tmp_path / "output", timestamp="time") == InputCache()
    assert len(keep().files) == 2


def test_cache_is_written_when_there_is_something_to_add(plant, monkeypatch):
    """A run without new metadata does not write it; added or deleted files do."""
    monkeypatch.setattr(input_cache, "_SETTLED", -(10**12))
    plant.score()
    path = next((plant.output / CACHE).iterdir())
    before = path.stat().st_ino
    plant.score()
    assert path.stat().st_ino == before
    next(plant.incoming.iterdir()).unlink()
    plant.score()
    assert path.stat().st_ino != before


def test_cache_of_another_time_column_is_no_cache(keep, tmp_path):
    """The cached times are those of one column."""
    assert keep(timestamp="when") == InputCache()
    assert read_input_cache(tmp_path / "absent", timestamp="time") == InputCache()


def test_cache_that_cannot_be_written_is_ignored(keep, tmp_path):
    """A file in place of the folder is not changed."""
    (tmp_path / "output" / CACHE).write_text("in the way")
    assert keep() == InputCache()
    assert (tmp_path / "output" / CACHE).read_text() == "in the way"


def test_second_run_reads_no_input(plant, monkeypatch):
    """A run with nothing to do computes no fingerprint; without the cache the result is equal."""
    monkeypatch.setattr(input_cache, "_SETTLED", -(10**12))
    plant.score()
    hashed = []
    real = sources.fingerprint_file
    monkeypatch.setattr(sources, "fingerprint_file", lambda file: hashed.append(file) or real(file))
    assert (plant.score().current, hashed) == (3, [])
    next((plant.output / CACHE).iterdir()).unlink()
    assert (plant.score().current, len(hashed)) == (3, 3)
