"""What is remembered of input files: never wrong, never needed."""

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
    """Looks at the files, keeps what was seen, and gives it as it is read again."""
    output, scratch = tmp_path / "output", tmp_path / "scratch"
    output.mkdir()
    scratch.mkdir()

    def keep(*, settled=-(10**12), timestamp="time"):
        monkeypatch.setattr(input_cache, "_SETTLED", settled)  # ns; so that no test has to wait
        source = find_files([str(incoming)], timestamp="time")
        assert [file.hours for file in source.files if "week" in file.name]
        prints = fingerprint_files(source.files)
        write_input_cache(output, source.files, prints, known=InputCache(), scratch=scratch)
        return read_input_cache(output, timestamp=timestamp)

    return keep


def test_what_is_remembered_is_what_was_seen(keep, incoming):
    """Footers, hours and fingerprints come back as they were, and nothing is read."""
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
    """With every file known, no fingerprint is taken; a file that changed is hashed."""
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


def test_equal_size_and_times_do_not_deceive(keep, incoming):
    """Whoever sets the time of modification back cannot set that of the change of the inode."""
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
    """Within the clock's resolution they may change unseen; nor are those of a later time."""
    assert keep(settled=2 * 10**9).files == {}
    assert len(keep().files) == 2
    for path in incoming.rglob("*.parquet"):
        os.utime(path, ns=(2 * 10**18, 2 * 10**18))  # in 2033
    assert keep(settled=2 * 10**9).files == {}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all"])
def test_damaged_cache_is_no_cache(keep, tmp_path, content):
    """Everything is read again, and the next run has a cache."""
    keep()
    path = next((tmp_path / "output" / CACHE).iterdir())
    path.write_bytes(content)
    assert read_input_cache(tmp_path / "output", timestamp="time") == InputCache()
    assert len(keep().files) == 2


def test_cache_is_written_when_there_is_something_to_add(plant, monkeypatch):
    """A run that learnt nothing leaves it alone; a file that came or went is news."""
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
    """What is remembered of times is about one column."""
    assert keep(timestamp="when") == InputCache()
    assert read_input_cache(tmp_path / "absent", timestamp="time") == InputCache()


def test_cache_that_cannot_be_written_is_no_matter(keep, tmp_path):
    """A file in the way of the folder is left alone."""
    (tmp_path / "output" / CACHE).write_text("in the way")
    assert keep() == InputCache()
    assert (tmp_path / "output" / CACHE).read_text() == "in the way"


def test_second_run_reads_no_input(plant, monkeypatch):
    """A run with nothing to do takes no fingerprint; without the cache it ends the same."""
    monkeypatch.setattr(input_cache, "_SETTLED", -(10**12))
    plant.score()
    hashed = []
    real = sources.fingerprint_file
    monkeypatch.setattr(sources, "fingerprint_file", lambda file: hashed.append(file) or real(file))
    assert (plant.score().current, hashed) == (3, [])
    next((plant.output / CACHE).iterdir()).unlink()
    assert (plant.score().current, len(hashed)) == (3, 3)
