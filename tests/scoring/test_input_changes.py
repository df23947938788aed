"""Files that are new, changed or deleted, by the footers of the output."""

from __future__ import annotations

import shutil

from plant import DAYS, table, write


def seen(summary):
    """The counts of files in the summary: found, new, changed, deleted."""
    return (
        summary.files,
        summary.files_new,
        summary.files_changed,
        summary.files_deleted,
    )


def test_files_are_new_once(plant):
    """Files in the output are known, and files that arrived since are new."""
    assert seen(plant.score()) == (3, 3, 0, 0)
    assert seen(plant.score()) == (3, 0, 0, 0)
    write(table("2026-01-07"), plant.incoming / "2026-01-07.parquet")
    assert seen(plant.score()) == (4, 1, 0, 0)


def test_changed_and_deleted_files_are_reported(plant):
    """A file with other content under the same name is changed; a missing one is deleted, once."""
    plant.score()
    write(table(DAYS[0]).assign(cpu=50.0), plant.incoming / f"{DAYS[0]}.parquet")
    (plant.incoming / f"{DAYS[2]}.parquet").unlink()
    assert seen(plant.score()) == (2, 0, 1, 1)
    assert seen(plant.score()) == (2, 0, 0, 0)


def test_copy_is_no_change(plant):
    """The content decides."""
    plant.score()
    path = plant.incoming / f"{DAYS[0]}.parquet"
    shutil.copyfile(path, plant.folder / "copy")
    path.unlink()
    shutil.copyfile(plant.folder / "copy", path)
    assert seen(plant.score()) == (3, 0, 0, 0)


def test_files_that_cannot_be_scored_are_seen_and_nothing_else(plant):
    """A damaged file counts as found; one without rows is never new."""
    (plant.incoming / f"{DAYS[0]}.parquet").write_bytes(b"PAR1")
    write(table(DAYS[0]).iloc[:0], plant.incoming / "empty.parquet")
    assert seen(plant.score()) == (4, 2, 0, 0)


def test_suppression_settings_are_not_counted_as_files(plant):
    """Setting or removing them changes partitions, but no file is new, changed or deleted."""
    events = {"ignore": ["cpu"]}
    assert seen(plant.score(events=events)) == (3, 3, 0, 0)
    assert seen(plant.score(events=events)) == (3, 0, 0, 0)
    assert seen(plant.score()) == (3, 0, 0, 0)
