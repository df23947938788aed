"""Scoring runs: the events they form, and the rows they suppress."""

from __future__ import annotations

import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest
from plant import DAYS, contents, pure, rewritten, stamps, table, verdicts
from plant import write as deliver

from aedetect.errors import ConfigError
from aedetect.jobs import scoring
from aedetect.output.partitions import Span
from aedetect.scoring.worker import compute_or_defer


def read(plant, kind):
    """All rows of a kind of output."""
    paths = sorted((plant.output / kind).rglob("*.parquet"))
    frames = [pq.ParquetFile(path).read().to_pandas() for path in paths]
    return pd.concat(frames, ignore_index=True)


def spoil(plant, day, **minutes):
    """Put a fault of the cpu of east into some minutes of a day."""
    rows = table(day)
    rows.loc[minutes["first"] : minutes["last"], "cpu"] = 500.0
    deliver(rows, plant.incoming / f"{day}.parquet")


def stage_one(plant, **keys):
    """Score, and stop before events are formed."""
    config = plant.config(**keys)
    with scoring.workspace(config) as scratch:
        model = scoring.resolve_model(config)
        job = scoring.plan_run(config, model, span=Span(), force=False, scratch=scratch)
        for unit in job.plan.compute:
            compute_or_defer(unit, model=model, output=job.output)


def test_every_flagged_row_belongs_to_an_event(plant):
    """By its id, and the event counts it."""
    summary = plant.score()
    flagged, events = read(plant, "flagged"), read(plant, "events")
    assert summary.events == {"new": len(events), "changed": 0, "withdrawn": 0}
    counts = flagged["event_id"].value_counts().to_dict()
    assert counts == events.set_index("event_id")["rows"].to_dict()
    worst = events.loc[events["peak_score"].idxmax()]
    assert "cpu is far beyond its training range (500, normally " in worst["text"]
    assert worst["causes"][0]["feature"] == "cpu"
    fault = flagged[flagged["reason"] == "cpu is far beyond its training range"]
    assert len(fault) == 11
    assert all("cpu" in [each["feature"] for each in outside] for outside in fault["outside"])


def test_days_that_arrive_one_by_one_give_the_same_events(plant):
    """And the same flagged rows, to the last byte, with a fault that crosses midnight."""
    spoil(plant, DAYS[1], first=1435, last=1439)
    spoil(plant, DAYS[2], first=0, last=4)
    waiting = plant.folder / "waiting"
    shutil.copytree(plant.incoming, waiting)
    plant.score(output="at-once")
    shutil.rmtree(plant.incoming)
    for day in DAYS:
        plant.incoming.mkdir(exist_ok=True)
        shutil.copy(waiting / f"{day}.parquet", plant.incoming)
        plant.score()
    assert pure(plant.output) == pure(plant.folder / "at-once")
    events = read(plant, "events")
    crossing = events[events["rows"] >= 10]
    assert crossing["start"].tolist() == [pd.Timestamp("2026-01-04T23:55")]
    assert crossing["end"].iloc[0] >= pd.Timestamp("2026-01-05T00:04")
    days = read(plant, "flagged").query("event_id == @crossing.event_id.iloc[0]")["timestamp"]
    assert set(days.dt.date.astype(str)) == set(DAYS[1:])


def test_a_run_killed_between_the_stages_is_completed(plant):
    """The next one has nothing to score, and forms the events all the same."""
    stage_one(plant)
    assert not (plant.output / "events").exists()
    assert read(plant, "flagged")["event_id"].isna().all()
    summary = plant.score()
    assert (summary.partitions, summary.events["new"] > 0) == (0, True)
    plant.score(output="whole")
    assert contents(plant.output) == contents(plant.folder / "whole")


def test_late_rows_keep_the_ids_of_other_events(plant):
    """A new file for one day changes only the events that it affects."""
    plant.score()
    before = read(plant, "events").set_index("event_id")
    rows = table(DAYS[2])
    rows.loc[700:705, "disk"] = 90.0
    deliver(rows, plant.incoming / f"{DAYS[2]}.parquet")
    summary = plant.score()
    after = read(plant, "events").set_index("event_id")
    assert summary.events == {"new": 1, "changed": 0, "withdrawn": 0}
    pd.testing.assert_frame_equal(after.loc[before.index], before)


def test_planned_maintenance_is_suppressed(plant):
    """Its rows have scores, are counted by reason, and are not flagged."""
    plant.score()
    before = verdicts(plant.output)
    (plant.folder / "work.csv").write_text(
        "start,end,entity,reason\n2026-01-04T05:00,2026-01-04T06:00,east,oil\n"
    )
    times = stamps(plant.output)
    events = {"maintenance": ["work.csv"]}
    summary = plant.score(events=events)
    beside = "window holds rows of maintenance: oil"
    assert (summary.partitions, summary.suppressed) == (1, {"maintenance: oil": 60, beside: 15})
    assert rewritten(plant.output, times) == {f"date={DAYS[1]}"}
    after = verdicts(plant.output)
    suppressed = after[after["verdict"] == "suppressed"]
    assert set(suppressed["reason"]) == {"maintenance: oil", beside}
    during = suppressed["timestamp"].between("2026-01-04 05:00", "2026-01-04 05:59")
    assert (during == (suppressed["reason"] == "maintenance: oil")).all()
    keys = ["entity", "timestamp", "score", "p_value"]
    assert (after["score"].isna() == before["score"].isna()).all()
    others = before["entity"].ne("east") | before["timestamp"].lt("2026-01-04 05:00")
    pd.testing.assert_frame_equal(  # means of later rows leave the work out
        after.loc[others, keys], before.loc[others, keys], check_exact=True
    )
    assert summary.events["withdrawn"] >= 1
    day = after["timestamp"].between("2026-01-04", "2026-01-04 23:59")
    assert summary.flagged == (after.loc[day, "verdict"] == "anomaly").sum()


def test_no_event_begins_after_planned_work_by_its_rows_alone(plant):
    """Windows hold its rows for a while: those rows are not judged, across midnight too."""
    spoil(plant, DAYS[0], first=1380, last=1439)
    spoil(plant, DAYS[1], first=600, last=659)
    (plant.folder / "work.csv").write_text(
        "start,end\n2026-01-03T23:00,2026-01-04T00:00\n2026-01-04T10:00,2026-01-04T11:00\n"
    )
    plant.score(events={"maintenance": ["work.csv"]})
    events = read(plant, "events")
    for end in pd.to_datetime(["2026-01-04 00:00", "2026-01-04 11:00"]):
        near = events["start"].between(end - pd.Timedelta("1h"), end + pd.Timedelta("1h"))
        assert not near.any()
    rows = verdicts(plant.output).set_index("reason")["timestamp"]
    beside = rows["window holds rows of maintenance"].dt.strftime("%d %H:%M")
    assert set(beside) == {
        f"04 {hour}:{minute:02}" for hour in ("00", "11") for minute in range(15)
    }


def test_only_maintenance_that_overlaps_a_partition_scores_it_again(plant):
    """Other intervals do not; a cancelled interval does."""
    path = plant.folder / "work.csv"
    events = {"maintenance": ["work.csv"]}
    path.write_text("start,end\n2026-01-03T03:00,2026-01-03T04:00\n")
    plant.score(events=events)
    path.write_text(
        "start,end\n2026-01-03T03:00,2026-01-03T04:00\n2026-01-05T10:00,2026-01-05T11:00\n"
    )
    times = stamps(plant.output)
    assert plant.score(events=events).partitions == 1
    assert rewritten(plant.output, times) == {f"date={DAYS[2]}"}
    assert plant.score(events=events).partitions == 0
    path.write_text("start,end\n2026-01-05T10:00,2026-01-05T11:00\n2027-01-01,2027-01-02\n")
    times = stamps(plant.output)
    assert plant.score(events=events).partitions == 1
    assert rewritten(plant.output, times) == {f"date={DAYS[0]}"}


def test_ignored_features_are_suppressed_in_all_partitions(plant):
    """Setting them scores everything again; undoing the setting restores the first files."""
    plant.score()
    before = pure(plant.output)
    summary = plant.score(events={"ignore": ["cpu"]})
    assert summary.partitions == len(DAYS)
    assert all(reason.startswith("only ignored features: cpu") for reason in summary.suppressed)
    assert sum(summary.suppressed.values()) > 0
    plant.score()
    assert pure(plant.output) == before


def test_event_settings_form_events_again_without_scoring(plant):
    """Only flagged/ is read. The loss of a sensor is one row, and is reported all the same."""
    plant.score()
    before = read(plant, "events")
    lost = before["text"].str.contains("missing")
    assert lost.sum() == 1
    times = stamps(plant.output / "scores")
    summary = plant.score(events={"min_duration": "1h"})
    assert (summary.partitions, summary.events["changed"]) == (
        0, ((before["end"] - before["start"] < pd.Timedelta("1h")) & ~lost).sum())  # fmt: skip
    assert stamps(plant.output / "scores") == times
    assert read(plant, "events")["suppressed"].value_counts().to_dict() == {
        "shorter than 1h": summary.events["changed"]
    }


def test_unknown_features_are_refused_before_anything_is_scored(plant):
    """The error lists the valid names."""
    with pytest.raises(ConfigError, match="there are cpu, load, disk"):
        plant.score(events={"only_above": ["cpus"]})
    assert not list(plant.output.rglob("*.parquet"))


def test_suppressed_rows_count_as_scored_and_up_to_date(plant):
    """Also in the report; a rescore with the same model and settings computes nothing."""
    events = {"ignore": ["cpu"]}
    summary = plant.score(events=events)
    suppressed = (verdicts(plant.output)["verdict"] == "suppressed").sum()
    assert sum(summary.suppressed.values()) == suppressed > 0
    assert summary.scored + sum(summary.not_scored.values()) == summary.rows
    assert plant.score(events=events, rescore=True).partitions == 0
    assert plant.score(events=events, force=True).partitions == len(DAYS)
