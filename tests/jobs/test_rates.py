"""Entities that are sampled at different rates, and rows that come irregularly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from aedetect.config import make_config
from aedetect.data import Rows
from aedetect.data.rates import Rate, RateSettings
from aedetect.data.sampling import entity_rates, sampling_period
from aedetect.detector import CalibratedScorer
from aedetect.jobs.scoring import run_scoring
from aedetect.preprocessing.coverage import window_coverage
from aedetect.scoring import Model, score_rows
from aedetect.timestamps import NANOSECONDS

MINUTE, HOUR = NANOSECONDS["min"], NANOSECONDS["h"]
LINEAR = {"model": {"variant": "linear"}, "window": {"length": 4}}


def series(unit, start, rows, step, seed=0):
    """The rows of a unit, one each step."""
    random, wave = np.random.default_rng(seed), np.sin(np.arange(rows) / 10)
    return pd.DataFrame(
        {
            "time": pd.date_range(start, periods=rows, freq=step).astype("datetime64[us]"),
            "unit": unit,
            "a": wave + random.normal(0, 0.1, rows),
            "b": random.normal(0, 0.1, rows) - wave,
        }
    )


def mixed(start="2026-01-01", rows=400, seed=0):
    """A unit with a row a minute, and one with a row an hour."""
    return pd.concat(
        [series("fast", start, rows, "1min", seed), series("slow", start, rows, "1h", seed + 1)],
        ignore_index=True,
    )


def as_rows(frame):
    """Rows as they are read, of a frame ordered by unit and time."""
    codes, names = pd.factorize(frame["unit"])
    return Rows(
        time=frame["time"].astype("datetime64[ns]").astype(np.int64).to_numpy(),
        entity=codes.astype(np.int32),
        names=tuple(names),
        values=np.ascontiguousarray(frame[["a", "b"]].to_numpy()),
    )


@pytest.fixture
def detector(train_on, tmp_path):
    """A detector of both units, saved and loaded."""
    train_on(mixed(), **LINEAR).detector.save(tmp_path / "saved")
    return CalibratedScorer.load(tmp_path / "saved")


def reasons(detector, frame):
    """The reason of each row, by unit."""
    rows = as_rows(frame)
    found = score_rows(detector, rows, np.ones(len(rows), dtype=np.bool_))
    return frame.assign(reason=found.reason_text.to_pylist()).groupby("unit")["reason"]


def test_each_entity_has_its_own_period(detector):
    """And what follows from it; the lookback is that of the slowest."""
    schema = detector.scorer.schema
    assert (schema.period, schema.max_gap) == (MINUTE, 5 * MINUTE)
    assert schema.rates == (Rate("slow", HOUR, 5 * HOUR, 10 * HOUR),)
    assert detector.scorer.preparation.limits(("fast", "slow", "new")).tolist() == [
        10 * MINUTE,
        10 * HOUR,
        10 * MINUTE,
    ]
    assert detector.scorer.lookback >= 3 * 5 * HOUR + 10 * HOUR


def test_all_rows_of_both_are_scored(detector):
    """But the first ones, before which there are too few."""
    for _, found in reasons(detector, mixed("2026-03-01", rows=50)):
        assert found.isna().sum() == 47
        assert found.dropna().unique().tolist() == ["needs 3 earlier rows"]


def test_values_are_carried_for_ten_rows_of_the_entity(detector):
    """Not for ten rows of another one."""
    frame = mixed("2026-03-01", rows=60)
    frame.loc[frame.index % 60 >= 20, "a"] = np.nan
    for _, found in reasons(detector, frame):
        lost = np.flatnonzero(found == "a is missing")
        assert lost.tolist() == [30]


def test_reasons_are_those_of_the_entity(detector):
    """A gap is named as such, and as long as it must be for this entity."""
    preparation = replace(detector.scorer.preparation, missing_after="refuse")
    strict = replace(detector, scorer=replace(detector.scorer, preparation=preparation))
    frame = mixed("2026-03-01", rows=60)
    late = frame.groupby("unit").cumcount() >= 10
    step = np.where(frame["unit"] == "fast", 6, 360)
    frame["time"] += pd.to_timedelta(np.where(late, step, 0), unit="min")
    frame.loc[frame.groupby("unit").cumcount() >= 40, "a"] = np.nan
    found = {unit: set(each.dropna()) for unit, each in reasons(strict, frame)}
    expected = "needs 3 earlier rows", "needs 3 earlier rows without a gap over {gap}"
    for unit, gap, limit in (("fast", "5min", "10min"), ("slow", "5h", "10h")):
        assert found[unit] == {
            *(each.format(gap=gap) for each in expected),
            f"a is missing for longer than {limit}",
        }


def test_what_is_set_wins_for_all(train_on):
    """A frequency sets all three; a max_gap only itself."""
    schema = train_on(mixed(), **LINEAR, data={"max_gap": "2h"}).detector.scorer.schema
    assert schema.rates == (Rate("slow", HOUR, 2 * HOUR, 10 * HOUR),)
    assert schema.max_gap == 2 * HOUR
    asked = RateSettings(period=MINUTE)
    assert entity_rates(as_rows(mixed()), MINUTE, asked) == ()


def test_an_entity_with_few_rows_takes_the_pooled_period():
    """As one that was never seen; a period that is nearly the same is the same."""
    few = pd.concat([mixed(), series("new", "2026-01-01", 20, "1h")], ignore_index=True)
    rows = as_rows(few)
    assert sampling_period(as_rows(mixed())) == MINUTE
    assert [each.entity for each in entity_rates(rows, MINUTE, RateSettings())] == ["slow"]
    alike = as_rows(series("x", "2026-01-01", 100, "63s"))
    assert entity_rates(alike, MINUTE, RateSettings()) == ()


def test_events_bridge_the_gaps_of_the_entity(detector, tmp_path, write):
    """Three hours in a row are one event of the slow unit; of the fast one they are three."""
    frame = mixed("2026-03-01", rows=400, seed=5)
    fast, slow = frame["unit"] == "fast", frame["unit"] == "slow"
    number = frame.groupby("unit").cumcount()
    frame.loc[fast & number.isin([30, 200, 370]), "a"] = 40.0
    frame.loc[slow & number.isin([100, 101, 102]), "a"] = 40.0
    write(frame, tmp_path / "incoming/a.parquet")
    given = {
        "detector": {"name": "pump"},
        "data": {"train": "train.parquet", "timestamp": "time", "entity": "unit"},
        "scoring": {"input": "incoming"},
    }
    model = Model(folder=str(tmp_path / "saved"), name="pump", version=1)
    run_scoring(make_config(given, folder=tmp_path), model=model)
    paths = (tmp_path / "output/events").rglob("*.parquet")
    events = pd.concat([pq.ParquetFile(path).read().to_pandas() for path in paths])
    high = events[events["text"].str.contains(r"a (?:40,|is far beyond its training range \(40,)")]
    slow, fast = (high[high["entity"] == unit] for unit in ("slow", "fast"))
    assert len(slow) == 1
    assert slow["rows"].iloc[0] >= 3
    assert len(fast) == 3


def test_irregular_rows_are_reported_with_the_setting_that_helps(train_on):
    """With the share of rows, before anything is scored."""
    steps = np.random.default_rng(0).exponential(60, 3000)
    frame = series("x", "2026-01-01", 3000, "1min")
    start = pd.Timestamp("2026-01-01")
    frame["time"] = (start + pd.to_timedelta(np.cumsum(steps), unit="s")).astype("datetime64[us]")
    sections = {**LINEAR, "window": {"length": 16}}
    learnt = train_on(frame, **sections)
    note = learnt.ingested.notes[-1]
    assert "% of the rows will not be scored: a window of 16 rows has no step over 3." in note
    assert '[data] max_gap = "10min" would leave 0.' in note
    better = train_on(frame, **sections, data={"max_gap": "10min"})
    assert not [each for each in better.ingested.notes if "will not be scored" in each]
    found = window_coverage(better.ingested.rows, better.ingested.schema, length=16)
    assert found.share < 0.01


def test_regular_rows_with_an_outage_need_no_note(train_on):
    """A few rows after it are not worth one."""
    frame = series("x", "2026-01-01", 2000, "1min")
    frame = frame.drop(index=range(900, 1000))
    learnt = train_on(frame, **LINEAR)
    assert not [each for each in learnt.ingested.notes if "will not be scored" in each]
