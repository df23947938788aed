"""Input with unusual times, many files, or changes while it is read."""

from __future__ import annotations

import os
import shutil

import harm
import pytest
import soak
from plant import DAYS, table, write

from aedetect.output.partitions import Span

NAMES = [f"replaced-{number}" for number in range(6)]  # one or two may succeed by chance
LONG_AGO, FAR_AHEAD = 1_000_000_000, 7_258_118_400_000_000_000  # ns: 1970, 2200


@pytest.mark.parametrize("moment", [LONG_AGO, FAR_AHEAD], ids=["1970", "2200"])
def test_modification_times_do_not_matter(plant, moment):
    """Files from the past or the future are scored once, and again when their content changes.

    The correction has the size and the time of modification of what it replaces.
    """
    path = plant.incoming / "2026-01-03.parquet"
    for each in plant.incoming.iterdir():
        os.utime(each, ns=(moment, moment))
    plant.score()
    assert plant.score().partitions == 0
    content = path.read_bytes()
    rows = table("2026-01-03")
    rows.loc[5, "cpu"] = rows.loc[6, "cpu"]
    rows.loc[6, "cpu"] = table("2026-01-03").loc[5, "cpu"]
    write(rows, path)
    assert path.stat().st_size == len(content)
    os.utime(path, ns=(moment, moment))
    assert plant.score().since == "2026-01-03"
    plant.score(output="afresh")
    assert harm.pure(plant.output) == harm.pure(plant.folder / "afresh")


def test_files_replaced_while_they_are_read_are_scored_eventually(plant):
    """Whatever was read meanwhile, an undisturbed run equals a first run."""
    path = plant.incoming / "2026-01-03.parquet"
    final = plant.folder / "final"
    shutil.copy(path, final)
    rows = table("2026-01-03")
    rows["cpu"] += 30
    other = write(rows, plant.folder / "other")
    config = plant.written()
    replacing = harm.start(harm.keep_replacing, path, [other, final])
    for name in NAMES:
        harm.start(harm.score, config, name).join()
    harm.kill_after(replacing, 0)
    path.with_name("new").unlink(missing_ok=True)
    shutil.copy(final, path)
    plant.score(output="afresh")
    for name in NAMES:
        plant.score(output=name)
        assert harm.pure(plant.folder / name) == harm.pure(plant.folder / "afresh")


def test_many_small_files_need_few_handles(plant):
    """Two days in 300 files are scored with 128 open files, as from one file per day."""
    for day in DAYS:
        (plant.incoming / f"{day}.parquet").unlink()
    rows = table(DAYS[0], days=2).sort_values(["time", "unit"])
    each = len(rows) // 300 + 1
    for number in range(300):
        write(rows[number * each : (number + 1) * each], plant.incoming / f"{number:03}.parquet")
    process = harm.start(harm.score_with_few_handles, plant.written(), "output")
    process.join()
    assert process.exitcode == 0
    assert plant.score(span=Span()).current == 2


def test_no_file_that_changed_on_disk_gives_other_verdicts_unseen(plant, capsys):
    """`make soak` tries 300 changes; each is seen, or makes no difference."""
    soak.mutations(plant, count=30)
    assert capsys.readouterr().out.startswith("mutations of a file: 30; ")
