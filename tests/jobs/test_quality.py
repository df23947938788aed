"""The data quality report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from plant import table
from plant import write as write_rows

from aedetect.data import memmap
from aedetect.detector.settings import RuleSettings
from aedetect.jobs import dataset
from aedetect.jobs.input_check import check_input
from aedetect.jobs.quality import assess, rule_notes
from aedetect.jobs.scoring import resolve_model
from aedetect.scoring import cached_detector


@pytest.fixture
def assessed(tmp_path, write, configured):
    """Assess a training table."""

    def assessed(frame):
        write(frame, tmp_path / "train.parquet")
        ingested = dataset.ingest_rows(configured(tmp_path), tmp_path)
        return assess(ingested, length=4)

    return assessed


def column(report, name):
    """The report on one column."""
    return next(each for each in report.columns if each.name == name)


def test_good_data_are_ok(assessed, make_frame):
    """Nothing is reported."""
    report = assessed(make_frame())
    assert (report.rows, report.period, report.max_gap) == (1000, "1min", "5min")
    assert {each.verdict for each in (*report.columns, *report.entities)} == {"ok"}
    assert report.entities[0].first == "2026-01-01 00:00:00"
    assert report.entities[0].longest_gap == "1min"
    assert column(report, "a").low < column(report, "a").mean < column(report, "a").high


def test_faults_of_columns_are_reported(assessed, make_frame):
    """Constant, constant in some, missing and infinite."""
    frame = make_frame(features=("a", "b", "c"))
    frame["b"] = 1.0
    frame.loc[frame["unit"] == "east", "c"] = 0.0
    frame.loc[frame.index % 10 == 0, "a"] = np.nan
    frame.loc[5, "a"] = np.inf
    report = assessed(frame)
    assert column(report, "b").verdict == "constant: any change is anomalous"
    assert column(report, "c").verdict == (
        "constant in 1 of 2 entities: any change there is anomalous"
    )
    assert "10% missing; 1 infinite values" in column(report, "a").verdict


def test_faults_of_entities_are_reported(assessed, make_frame):
    """Too short, all gaps, some gaps."""
    thin = make_frame(units=("thin",), rows=3)
    torn = make_frame(units=("torn",), rows=20)
    torn["time"] = torn["time"] + pd.to_timedelta(torn.index // 3 * 60, unit="min")
    holed = make_frame(units=("holed",), rows=40).drop(index=range(10, 20))
    report = assessed(pd.concat([make_frame(), thin, torn, holed]))
    verdicts = {each.name: each.verdict for each in report.entities}
    assert verdicts["thin"] == "fewer rows than a window of 4: not used in training"
    assert verdicts["torn"] == "no 4 rows without a gap: raise [data] max_gap"
    assert verdicts["holed"] == "1 gap: windows do not span them"
    assert verdicts["east"] == "ok"


def test_text_has_no_mean(assessed, make_frame):
    """It has a kind and a share of missing cells."""
    frame = make_frame().assign(mode=["eco", "fast"] * 500)
    mode = column(assessed(frame), "mode")
    assert (mode.kind, mode.mean, mode.verdict) == ("category", None, "ok")


def test_the_input_is_checked_against_the_schema(tmp_path, write, make_frame, configured, learnt):
    """Damaged files and missing columns are reported, extra columns are accepted."""
    frame = make_frame(start="2026-02-01", rows=10)
    write(frame.assign(extra=1), tmp_path / "in" / "good.parquet")
    write(frame.drop(columns="b"), tmp_path / "in" / "less.parquet")
    (tmp_path / "in" / "torn.parquet").write_bytes(b"PAR1")
    config = configured(tmp_path, scoring={"input": "in"})
    report = check_input(config, learnt.ingested.schema, None)
    assert (report.files, report.rows, report.first) == (2, 40, "2026-02-01 00:00:00")
    torn, less = report.problems
    assert torn.startswith("torn.parquet: is not readable Parquet")
    assert less == 'less.parquet: lacks the column "b"'


def test_check_reports_the_files_that_scoring_sets_aside(plant):
    """A time zone that training lacked, text for a number, a damaged file, rows without a time."""
    rows = table("2026-01-06")
    write_rows(rows.assign(time=rows["time"].dt.tz_localize("UTC")), plant.incoming / "a.parquet")
    write_rows(rows.assign(cpu="high"), plant.incoming / "b.parquet")
    late = pd.concat([rows, rows.assign(time=rows["time"] + pd.Timedelta(days=3))])
    torn = write_rows(late, plant.incoming / "c.parquet")
    content = bytearray(torn.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    torn.write_bytes(content)
    rows.loc[:9, "time"] = pd.NaT
    write_rows(rows, plant.incoming / "d.parquet")
    config = plant.config()
    schema = cached_detector(resolve_model(config).folder).scorer.schema
    problems = check_input(config, schema, None).problems
    summary = plant.score()
    quarantined = {*summary.unreadable, *summary.schema_mismatch, *summary.undated}
    assert len(quarantined) == 4
    assert set(problems) == quarantined
    assert 'a.parquet: has a time zone in "time" and had none in training' in quarantined


def test_the_columns_that_rules_watch_are_named(tmp_path, write, configured, make_frame):
    """Constants, texts and numbers that may be stuck; what moves too rarely is named as well."""
    frame = make_frame(features=("a", "b", "slow"), rows=2500)
    frame["b"] = 1.0
    frame["slow"] = np.arange(len(frame)) // 1200 % 2
    frame["mode"] = np.where(np.arange(len(frame)) % 2, "on", "off")
    write(frame, tmp_path / "train.parquet")
    ingested = dataset.ingest_rows(configured(tmp_path), tmp_path)
    notes = rule_notes(ingested.rows, ingested.schema, RuleSettings(), per_entity=True)
    assert "b: constant in training: a change is an anomaly ([rules])" in notes
    assert "mode: text: a value not in training is an anomaly ([rules])" in notes
    assert "a: stuck when the same for far longer than ever in training ([rules])" in notes
    assert "a, slow: a value far beyond the training range is an anomaly ([rules])" in notes
    assert "slow: never stuck: that takes over 1,000 rows at one value ([rules])" in notes


def test_statistics_do_not_depend_on_batches(assessed, make_frame, monkeypatch):
    """Entities cut by batches are added up."""
    frame = make_frame(rows=700, units=("east", "north", "west"))
    frame.loc[frame.index % 7 == 0, "a"] = np.nan
    whole = assessed(frame)
    monkeypatch.setattr(memmap, "batch_rows", lambda _columns: 97)
    cut = assessed(frame)
    assert [replace(each, mean=None) for each in cut.columns] == [
        replace(each, mean=None) for each in whole.columns
    ]
    assert [each.mean for each in cut.columns] == pytest.approx(
        [each.mean for each in whole.columns]
    )
