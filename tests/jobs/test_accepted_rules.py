"""A sensor that dies, and a new state, in scheduled scoring: told, then a new normal."""

from __future__ import annotations

import pandas as pd
import pytest
from plant import Plant, pure, settings, table, write

from aedetect.config import make_config
from aedetect.jobs import scoring, training
from aedetect.output import list_files

DAYS = [f"2026-01-{day:02}" for day in range(3, 11)]
DEAD = 5.0


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Score days one by one: from the second on a sensor of one unit is dead."""
    folder = tmp_path_factory.mktemp("accepted")
    write(with_state("2026-01-01", days=2), folder / "train.parquet")
    config = make_config(settings(calibration={"renew": "1d"}), folder=folder)
    training.run_training(config)
    summaries = []
    for number, day in enumerate(DAYS):
        rows = with_state(day)
        if number:
            rows.loc[rows["unit"] == "west", "disk"] = DEAD
            rows.loc[rows.index % 3 == 0, "state"] = "C"
        write(rows, folder / "incoming" / f"{day}.parquet")
        summaries.append(scoring.run_scoring(config))
    return Plant(folder=folder, uri=config.tracking_uri), config, summaries


def with_state(day, *, days=1):
    """Return the rows of some days with two states."""
    rows = table(day, days=days)
    return rows.assign(state=["A" if place % 7 else "B" for place in range(len(rows))])


def test_what_would_break_the_promise_for_long_is_accepted(lived):
    """Two days are flagged of each rule; then the unit is judged as before."""
    plant, _, summaries = lived
    told = [text for each in summaries for text in each.warnings if "taken as normal until" in text]
    state, stuck = "state has a value never seen in training", "disk is stuck"
    # A row has one reason: of two rules, the second is seen when the first is accepted.
    starts = [f"east: {state}", f"west: {stuck}", f"west: {state}"]
    assert [text.startswith(start) for text, start in zip(told, starts, strict=True)] == [True] * 3
    days = [pd.read_parquet(f.path) for f in list_files(plant.output, "scores")]
    share = [(each["verdict"] == "anomaly").groupby(each["entity"]).mean() for each in days]
    assert min(each[unit] for each in share[1:3] for unit in ("east", "west")) > 0.3
    assert share[-1]["east"] < 0.05 > share[-1]["west"]
    assert not days[-1]["reason"].fillna("").str.contains("state|disk").any()


def test_a_backfill_gives_the_same_bytes(lived):
    """What is accepted belongs to the calibration in force at the time of the row."""
    plant, config, _ = lived
    plant.score(output="again")
    assert pure(plant.folder / "again") == pure(plant.output)
    assert config.renew == "1d"
