"""What cannot be seen is not gone: verdicts and events of a hidden folder stay, with a warning."""

from __future__ import annotations

import os

import pytest
from plant import DAYS, contents, table, write


@pytest.fixture
def plant(plant):
    """The plant, with the second day in a folder of its own; scored."""
    (plant.incoming / "sub").mkdir()
    (plant.incoming / f"{DAYS[1]}.parquet").rename(plant.incoming / "sub" / "d.parquet")
    assert plant.score().partitions == 3
    return plant


def close(plant, monkeypatch):
    """Let nobody list it, as for those who are not root."""
    closed, real = str(plant.incoming / "sub"), os.scandir

    def scandir(path="."):
        if str(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def fail(plant, monkeypatch):
    """Let the disk fail while it is listed."""
    closed, real = str(plant.incoming / "sub"), os.scandir

    def scandir(path="."):
        if str(path) == closed:
            raise OSError(5, "Input/output error", closed)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def unmount(plant, _):
    """Leave a link whose target is not there."""
    (plant.incoming / "sub").rename(plant.folder / "elsewhere")
    (plant.incoming / "sub").symlink_to(plant.folder / "mount")


def circle(plant, _):
    """Leave a link to itself."""
    (plant.incoming / "sub").rename(plant.folder / "elsewhere")
    (plant.incoming / "sub").symlink_to(plant.incoming / "sub")


def show(plant):
    """Have it back."""
    if (plant.folder / "elsewhere").exists():
        (plant.incoming / "sub").unlink()
        (plant.folder / "elsewhere").rename(plant.incoming / "sub")


@pytest.mark.parametrize("hide", [close, fail, unmount, circle], ids=lambda hide: hide.__name__)
@pytest.mark.parametrize("everything", [False, True], ids=["plain", "all"])
def test_what_was_made_from_a_hidden_folder_is_held(plant, monkeypatch, hide, everything):
    """Its day and the one that has it as context, --all or not; what arrives is scored."""
    before = contents(plant.output)
    with monkeypatch.context() as patched:
        hide(plant, patched)
        write(table("2026-01-08"), plant.incoming / "new.parquet")
        summary = plant.score(rescore=everything)
    assert summary.held == (DAYS[1], DAYS[2])
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
    """With what was in it, as its files would be one by one."""
    (plant.incoming / "sub" / "d.parquet").unlink()
    (plant.incoming / "sub").rmdir()
    summary = plant.score()
    assert (summary.withdrawn, summary.held, summary.files_deleted) == ((DAYS[1],), (), 1)
