"""The record of runs: one row per run, also after failures."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from plant import DAYS, table, write

from aedetect.errors import NoData, OutputError
from aedetect.scoring import Summary
from aedetect.scoring.run_log import SCHEMA, read_runs, recording_run, write_run

BEGIN = datetime(2026, 1, 6, 6, 15, tzinfo=UTC)


def ticking(start=BEGIN, *, seconds=1.5):
    """Return a clock that advances by a fixed step on each call."""
    asked = iter(range(1000))
    return lambda: start + timedelta(seconds=seconds * next(asked))


def test_each_run_leaves_a_row(plant):
    """Also a run with nothing to do; the newest is first."""
    first = plant.score(clock=ticking())
    plant.score(clock=ticking(BEGIN + timedelta(days=1)))
    again, before = read_runs(plant.output, limit=10)
    assert (before["status"], before["rows"], before["seconds"]) == ("done", first.rows, 1.5)
    assert before["started"] == BEGIN
    assert before["not_scored"] == first.not_scored
    assert (again["partitions"], again["current"]) == (0, 3)
    assert [run["started"] for run in read_runs(plant.output, limit=1)] == [again["started"]]


def test_files_are_named_by_their_start_in_utc(plant):
    """A clock in another zone gives the same name; two simultaneous runs have two files."""
    zoned = BEGIN.astimezone(timezone(timedelta(hours=9)))
    for _ in range(2):
        plant.score(clock=ticking(zoned))
    paths = sorted((plant.output / "runs" / "date=2026-01-06").iterdir())
    assert len(paths) == 2
    assert all(path.name.startswith("20260106T061500.000000Z-") for path in paths)


def test_failed_run_leaves_a_row_with_its_error(plant):
    """It has the same columns, and the error in one line."""
    for path in plant.incoming.iterdir():
        path.unlink()
    with pytest.raises(NoData):
        plant.score(clock=ticking())
    (run,) = read_runs(plant.output, limit=10)
    assert (run["status"], run["model"], run["rows"]) == ("failed", "plant@champion", 0)
    assert run["error"].startswith("no Parquet file")
    assert run["seconds"] == 1.5


def test_strict_run_is_recorded_as_what_it_did(plant):
    """The row has the status partial, and the file that was not scored."""
    write(table(DAYS[2]).drop(columns="cpu"), plant.incoming / f"{DAYS[2]}.parquet")
    with pytest.raises(Exception, match="strict"):
        plant.score(clock=ticking(), strict=True)
    (run,) = read_runs(plant.output, limit=10)
    assert (run["status"], run["partitions"], len(run["schema_mismatch"])) == ("partial", 2, 1)


def test_rows_are_read_together_by_other_tools(plant):
    """DuckDB and pandas read runs with lists and without, failed ones too."""
    write(table("2026-01-07").assign(operator="ann"), plant.incoming / "new.parquet")
    plant.score(clock=ticking())
    plant.score(clock=ticking(BEGIN + timedelta(days=1)))
    for path in plant.incoming.iterdir():
        path.unlink()
    with pytest.raises(NoData):
        plant.score(clock=ticking(BEGIN + timedelta(days=2)))
    folder = plant.output / "runs"
    found = duckdb.sql(f"SELECT status, rows FROM '{folder}/**/*.parquet' ORDER BY started")
    assert [status for status, _ in found.fetchall()] == ["done", "done", "failed"]
    frame = pd.read_parquet(folder)
    assert list(frame.sort_values("started")["status"]) == ["done", "done", "failed"]
    schemas = [pq.read_schema(path) for path in folder.rglob("*.parquet")]
    assert all(schema.equals(SCHEMA) for schema in schemas)


def test_every_field_of_the_report_is_a_column():
    """Fields added to the report must be added to the record."""
    assert {entry.name for entry in fields(Summary)} | {"run_id"} == set(SCHEMA.names)


def test_without_a_clock_there_is_no_record(plant):
    """A run without a time is not recorded."""
    plant.score()
    assert read_runs(plant.output, limit=10) == []
    assert not (plant.output / "runs").exists()


def test_error_of_the_run_matters_more_than_that_of_its_record(tmp_path):
    """If nothing can be written, the first error is raised."""
    (tmp_path / "output").write_text("in the way")
    given = {"model": "pump/1", "stale_after": None, "run_id": None}
    with (
        pytest.raises(NoData, match="the first"),
        recording_run(tmp_path / "output", clock=ticking(), **given),
    ):
        raise NoData("the first")


def test_record_that_cannot_be_written_is_an_error(tmp_path):
    """A run that cannot be recorded fails."""
    (tmp_path / "output").write_text("in the way")
    summary = Summary(status="done", model="pump/1", output="", started=BEGIN.isoformat())
    with pytest.raises(OutputError, match="cannot be written"):
        write_run(tmp_path / "output", summary, run_id="0123456789")


def test_damaged_row_is_named(plant):
    """It can be removed, because nothing depends on it."""
    plant.score(clock=ticking())
    path = next((plant.output / "runs").rglob("*.parquet"))
    path.write_bytes(b"PAR1")
    with pytest.raises(OutputError, match=rf"{path.name} is damaged.*nothing depends on it"):
        read_runs(plant.output, limit=10)
