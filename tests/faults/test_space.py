"""A disk that is full or not writable: a clear error, and old files intact."""

from __future__ import annotations

import subprocess
import sys

import harm
import numpy as np
import pytest
from plant import table, write

from aedetect.data import Query, find_files, open_engine, read_rows
from aedetect.data import reader as reading
from aedetect.errors import OutputError
from aedetect.jobs import dataset


@pytest.fixture
def small_disk(plant):
    """The output on its own disk of 4 MB."""
    try:
        with harm.disk(plant.output, size="4m"):
            yield
    except PermissionError as error:
        pytest.skip(f"needs the right to mount: {error}")


def corrected(plant):
    """Correct a day that was scored."""
    rows = table("2026-01-03")
    rows.loc[5, "cpu"] += 1
    write(rows, plant.incoming / "2026-01-03.parquet")


def test_full_disk_leaves_old_files_intact_and_the_next_run_completes(plant, small_disk):
    """Old files are unchanged; with space again, the result is that of an undisturbed run."""
    plant.score()
    before = harm.pure(plant.output)
    corrected(plant)
    with harm.full(plant.output):
        with pytest.raises(OutputError, match=r"output.* cannot be written .*free space"):
            plant.score()
        left = harm.pure(plant.output)
        del left["filler.bin"]
        assert left == before
    plant.score()
    plant.score(output="afresh")
    assert harm.pure(plant.output) == harm.pure(plant.folder / "afresh") != before
    assert not (plant.output / ".aside").exists()


def test_read_only_output_does_not_change_and_the_next_run_completes(plant):
    """The message names the folder; with access again, the result is that of an undisturbed run."""
    plant.score()
    before = harm.pure(plant.output)
    corrected(plant)
    try:
        with (
            harm.read_only(plant.output),
            pytest.raises(OutputError, match=r"output.*grant access"),
        ):
            plant.score()
    except PermissionError as error:
        pytest.skip(f"needs the right to mount: {error}")
    assert harm.pure(plant.output) == before
    plant.score()
    plant.score(output="afresh")
    assert harm.pure(plant.output) == harm.pure(plant.folder / "afresh") != before


def test_command_reports_it_in_one_message(plant, small_disk):
    """`aedetect score` on a full disk: exit code 1, the path and the remedy, no traceback."""
    command = [sys.executable, "-m", "aedetect", "score", str(plant.written())]
    with harm.full(plant.output):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"aedetect: {plant.output} cannot be written")
    assert "free space or grant access and run again" in last
    assert "Traceback" not in done.stderr


def test_training_reserves_space_before_it_writes(plant, small_disk, learnt):
    """A mapped file that outgrows the disk would end the process with SIGBUS; an error comes first.

    As a sparse file it would fit: what is free takes its first and its last page.
    """
    preparation, few = learnt.prepared.preparation, learnt.ingested.rows
    rows = few.take(np.tile(np.arange(len(few)), 20))
    with (
        harm.full(plant.output, leaving=5 * 4096),
        pytest.raises(OutputError, match=r"output cannot be written \(No space"),
    ):
        dataset.apply_in_batches(preparation, rows, plant.output)
    assert (plant.output / "matrix.npy").stat().st_size > 5 * 4096


def test_disk_without_room_for_ordering_is_named(plant, small_disk, monkeypatch):
    """Rows beyond memory are sorted on disk; when it is full, the error names the disk."""
    monkeypatch.setattr(reading, "WHOLE_CELLS", 0)
    path = plant.folder / "many.parquet"
    table("2026-01-03", days=200).to_parquet(path, index=False, row_group_size=20_000)
    source = find_files([str(path)], timestamp="time")
    columns = dict.fromkeys(("cpu", "load", "disk"), ())
    query = Query(files=source.files, timestamp="time", entity="unit", categories=columns)
    with (
        pytest.raises(OutputError, match=r"output has no room for ordering .*free space"),
        open_engine(memory_mb=16, scratch=plant.output) as connection,
    ):
        list(read_rows(connection, query))
