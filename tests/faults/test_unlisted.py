"""A folder that cannot be listed is not gone: its verdicts and events stay, with a warning."""

from __future__ import annotations

import os

import pytest
from plant import DAYS, contents, table, write


@pytest.fixture
def plant(plant):
    """The plant, scored, with the second day in a subfolder."""
    (plant.incoming / "sub").mkdir()
    (plant.incoming / f"{DAYS[1]}.parquet").rename(plant.incoming / "sub" / "d.parquet")
    assert plant.score().partitions == 3
    return plant


def close(plant, monkeypatch):
    """Make the folder unreadable, as for users other than root."""
    closed, real = str(plant.incoming / "sub"), os.scandir

    def scandir(path="."):
        if str(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def fail(plant, monkeypatch):
    """Make the disk fail while the folder is listed."""
    closed, real = str(plant.incoming / "sub"), os.scandir

    def scandir(path="."):
        if str(path) == closed:
            raise OSError(5, "Input/output error", closed)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def unmount(plant, _):
    """Replace it by a broken link."""
    (plant.incoming / "sub").rename(plant.folder / "elsewhere")
    (plant.incoming / "sub").symlink_to(plant.folder / "mount")


def circle(plant, _):
    """Replace it by a link to itself."""
    (plant.incoming / "sub").rename(plant.folder / "elsewhere")
    (plant.incoming / "sub").symlink_to(plant.incoming / "sub")


def show(plant):
    """Restore it."""
    if (plant.folder / "elsewhere").exists():
        (plant.incoming / "sub").unlink()
        (plant.folder / "elsewhere").rename(plant.incoming / "sub")


@pytest.mark.parametrize("hide", [close, fail, unmount, circle], ids=lambda hide: hide.__name__)
@pytest.mark.parametrize("everything", [False, True], ids=["plain", "all"])
def test_what_was_made_from_a_hidden_folder_is_held(plant, monkeypatch, hide, everything):
    """Its day and the day that has it as context, with and without --all; new input is scored."""
    before = contents(plant.output)
    with monkeypatch.context() as patched:
        hide(plant, patched)
        write(table("2026-01-08"), plant.incoming / "new.parquet")
        summary = plant.score(rescore=everything)
    assert summary.deferred == (DAYS[1], DAYS[2])
    assert (summary.status, summary.partitions, summary.withdrawn) == ("partial", 1, ())
    assert (summary.files_deleted, summary.events["withdrawn"]) == (0, 0)
    (name,) = summary.unreadable
    assert name.startswith("sub/: cannot be listed (")
    assert any("sub/: cannot be listed" in text for text in summary.warnings)
    after = contents(plant.output)
    assert {path: after[path] for path in before} == before
    show(plant)
    again = plant.score()
    assert (again.status, again.partitions, again.current) == ("done", 0, 4)


def test_a_folder_that_was_removed_is_gone(plant):
    """With its content, as if its files had been removed."""
    (plant.incoming / "sub" / "d.parquet").unlink()
    (plant.incoming / "sub").rmdir()
    summary = plant.score()
    assert (summary.withdrawn, summary.deferred, summary.files_deleted) == ((DAYS[1],), (), 1)
