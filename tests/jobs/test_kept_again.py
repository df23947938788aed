"""Promises that were not kept, day by day: told once, and over when the days say so."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime

import pytest
from plant import settings, table, write, write_config
from typer.testing import CliRunner

from aedetect.cli import app
from aedetect.config import make_config
from aedetect.jobs import scoring, training
from aedetect.jobs.recalibration import recalibrate
from aedetect.jobs.renewal import renew
from aedetect.registry import promote_version
from aedetect.registry.history import Decision
from aedetect.registry.promotions import rollback_version
from aedetect.scoring.run_log import read_runs

NOT_KEPT = "promise not kept"
DAYS = [f"2026-01-{day:02d}" for day in range(11, 26)]
BAD = range(3, 8)  # of these, 2026-01-14 to 2026-01-18
GIVEN = settings(scoring={"input": "incoming"}, calibration={"alarm_time": 0.005})


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A detector that learnt ten days."""
    folder = tmp_path_factory.mktemp("kept")
    write(table("2026-01-01", days=10), folder / "train.parquet")
    training.run_training(make_config(GIVEN, folder=folder))
    return folder


def rows_of(number):
    """Return the rows of a day: on bad ones both units are disturbed for half an hour at times."""
    rows = table(DAYS[number])
    if number in BAD:
        clock = rows["time"].dt
        rows.loc[(clock.minute < 50) & (clock.hour % 6 == 3), "disk"] += 40
    return rows


def moved(detector, folder, **keys):
    """Return the configuration of the detector with input and output of a test."""
    given = GIVEN | {"registry": {"tracking_uri": make_config(GIVEN, folder=detector).tracking_uri}}
    for name, more in keys.items():
        given[name] = given.get(name, {}) | more
    (folder / "incoming").mkdir(exist_ok=True)
    return make_config(given, folder=folder), write_config(folder / "plant.toml", given)


def test_it_is_told_once_and_ends_with_the_third_good_day(
    detector, tmp_path, receiver, monkeypatch
):
    """Not a month later, when the bad days have left the window; all that tell of it agree."""
    monkeypatch.setenv("TEAM", receiver.url)
    config, path = moved(detector, tmp_path, notify={"urls": ["env:TEAM"], "max_age": "1min"})
    told, last = [], None
    for number, day in enumerate(DAYS):
        last = scored(config, number)
        told += [day[-2:]] * (NOT_KEPT in last.alerts)
        if day == "2026-01-21":
            shown = CliRunner().invoke(app, ["report", str(path), "--to", str(tmp_path / "p.html")])
            assert shown.exit_code == 0
            page = (tmp_path / "p.html").read_text()
            assert re.search(r"kept again since 2026-01-19: <strong>not kept before that", page)
    assert told == [str(day) for day in range(int(told[0]), 21)]
    assert int(told[0]) in range(15, 19)
    begun = f"plant: {NOT_KEPT}"
    messages = [each for each in receiver.messages if NOT_KEPT in each["title"]]
    assert [each["title"] for each in messages] == [
        *(begun, f"{begun}: east"),  # of all and west, and a day later
        f"plant: over: {NOT_KEPT}",
    ]
    assert sorted(messages[2]["ids"]) == sorted([*messages[0]["ids"], *messages[1]["ids"]])
    for who in ("", "west: ", "east: "):
        assert f"{who}promise kept again since 2026-01-19: " in messages[2]["message"]
    together = {each.period: each for each in last.outcome if each.together}
    assert together[30].low > 3 * together[30].most
    assert together[30].kept_since == "2026-01-19"
    assert together[7].kept_since == ""
    stored = read_runs(config.output, limit=1)[0]["outcome"]
    assert [each["kept_since"] for each in stored if each["together"]] == ["", "2026-01-19"]
    ran = CliRunner().invoke(app, ["runs", str(path), "--json"])
    assert json.loads(ran.output)[0]["outcome"] == stored


def test_days_before_a_change_are_over(detector, tmp_path):
    """A renewal by hand, a calibration, and a rollback: what was judged before does not count."""
    config, _ = moved(detector, tmp_path)
    for number in range(7):  # the last four are bad
        write(rows_of(number), config.folder / "incoming" / f"{DAYS[number]}.parquet")
    assert NOT_KEPT in scored(config, 7).alerts
    renew(config)
    found = scored(config, 8)
    assert (NOT_KEPT in found.alerts, days_of(found)) == (False, {7: 1, 30: 1})
    followed = replace(config, calibration=replace(config.calibration, renew="365d"))
    assert days_of(scored(followed, 9)) == {7: 7, 30: 10}
    recalibrate(config)
    assert days_of(scored(config, 10)) == {7: 1, 30: 1}
    second = replace(config, training=replace(config.training, seed=7), folder=detector)
    _, other = training.run_training(second)
    promote_version(other, tracking_uri=config.tracking_uri)
    assert days_of(scored(config, 11)) == {7: 1, 30: 1}
    why = Decision(action="rollback", why="too many alarms")
    rollback_version("plant", tracking_uri=config.tracking_uri, decision=why)
    assert days_of(scored(config, 12)) == {7: 1, 30: 1}


def scored(config, number):
    """Score one more day in a run of that evening; return its summary."""
    write(rows_of(number), config.folder / "incoming" / f"{DAYS[number]}.parquet")
    evening = datetime.fromisoformat(f"{DAYS[number]}T23:59:00+00:00")
    return scoring.run_scoring(config, clock=lambda: evening)


def days_of(summary):
    """Return how many days count, by period."""
    return {each.period: each.days for each in summary.outcome if each.together}
