"""Sorting input by time if every partition would read most of it."""

from __future__ import annotations

import pandas as pd
import pytest
from plant import DAYS, table, verdicts
from plant import write as deliver

from aedetect.jobs import scoring
from aedetect.output.partitions import Span
from aedetect.scoring import cached_detector
from aedetect.scoring import time_sort as clustering
from aedetect.scoring.time_sort import sort_by_time


@pytest.fixture
def planned(plant, tmp_path):
    """Hourly units of three days in one file, one entity after another."""
    rows = pd.concat([table(day) for day in DAYS])
    for path in plant.incoming.iterdir():
        path.unlink()
    deliver(rows.sort_values(["unit", "time"]), plant.incoming / "all.parquet")
    config = plant.config(partition="hour")
    model = scoring.resolve_model(config)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    job = scoring.plan_run(config, model, span=Span(), scratch=scratch)
    job = scoring.sort_run(config, job, scratch=scratch)
    return job, cached_detector(model.folder).scorer, scratch


def test_units_read_one_file_ordered_by_time(planned):
    """72 hours in one row group would be read 72 times, so they are sorted once."""
    job, _, scratch = planned
    files = {file.path for unit in job.plan.compute for file in unit.files}
    assert files == {str(scratch / "by_time.parquet")}
    assert all(unit.files[0].by_time for unit in job.plan.compute)
    starts = [group.first for group in job.plan.compute[0].files[0].groups]
    assert starts == sorted(starts)


def test_units_keep_the_names_and_fingerprints_of_their_origin(planned):
    """The output records the input, not the scratch file."""
    job, _, _ = planned
    assert {name for unit in job.plan.compute for name in unit.inputs} == {"all.parquet"}


def test_few_readings_are_left_alone(planned, monkeypatch):
    """Sorting costs as much as some reads: below that number, nothing is written."""
    job, scorer, scratch = planned
    monkeypatch.setattr(clustering, "_MIN_REREADS", 1_000)
    units = job.plan.compute
    given = {"schema": scorer.schema, "lookback": scorer.lookback, "folder": scratch}
    assert sort_by_time(units, **given) == units
    assert sort_by_time([], **given) == ()


def test_ordering_does_not_show_in_the_scores(planned, plant, monkeypatch):
    """With and without it, every row has the same verdict."""
    assert planned
    plant.score(partition="hour", output="ordered")
    monkeypatch.setattr(clustering, "_MIN_REREADS", 1_000)
    plant.score(partition="hour", output="direct")
    pd.testing.assert_frame_equal(
        verdicts(plant.folder / "ordered"), verdicts(plant.folder / "direct"), check_exact=True
    )
