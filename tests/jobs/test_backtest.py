"""A backtest from a configuration, with the saved threshold or another."""

from __future__ import annotations

import json
import re
import sys
from subprocess import run

import pytest
from plant import DAYS, stamps

from aedetect.config import make_config
from aedetect.events import label_events, read_event_table
from aedetect.events.labels import CONFIRMED, FALSE_ALARM
from aedetect.jobs.backtest import run_backtest
from aedetect.output.partitions import Span
from aedetect.timestamps import parse_instant


def backtest(plant, *, span=None, days=None, recalibrate=False, **calibration):
    """Run a backtest of the plant."""
    config = make_config(plant.given() | {"calibration": calibration}, folder=plant.folder)
    return run_backtest(config, span=span or Span(), days=days, recalibrate=recalibrate)


def test_the_saved_threshold_gives_the_written_events(plant):
    """A backtest reproduces the events of the scoring run."""
    plant.score()
    result, _ = backtest(plant)
    written = read_event_table(plant.output, suppressed=True)
    assert len(result.alarms) == written.num_rows > 0
    assert sum(alarm.rows for alarm in result.alarms) == sum(written["rows"].to_pylist())
    assert result.known is None


def test_another_threshold_is_evaluated_and_not_stored(plant):
    """A higher false alarm rate gives more events; nothing is written."""
    plant.score()
    before = stamps(plant.output)
    kept, _ = backtest(plant)
    tried, calibration = backtest(
        plant, recalibrate=True, threshold="false_alarm_rate", false_alarm_rate=0.05
    )
    assert len(tried.alarms) > len(kept.alarms)
    assert calibration.threshold.rate == 0.05
    assert stamps(plant.output) == before
    assert backtest(plant)[0] == kept


def test_days_count_back_from_the_newest_score(plant):
    """They do not count from today."""
    plant.score()
    result, _ = backtest(plant, days=1)
    assert result.since == parse_instant(DAYS[2])
    assert result.days < 1
    until = Span(None, parse_instant(DAYS[1]))
    assert backtest(plant, days=1, span=until)[0].until < parse_instant(DAYS[1])


def test_confirmed_events_are_known_and_the_others_are_unlabelled(plant, command):
    """Without a label column no event counts as false, and there is no delay."""
    plant.score()
    event = read_event_table(plant.output)["event_id"].to_pylist()[0]
    label_events(plant.output, [event], opinion=CONFIRMED, note=None, now="2026-02-01")
    result, _ = backtest(plant)
    assert [each.delay for each in result.detections] == [0]
    assert result.by_label == {
        "confirmed": 1, "false_alarm": 0, "unlabelled": len(result.alarms) - 1
    }  # fmt: skip
    assert not result.complete
    told = json.loads(command("backtest", "--json"))
    assert (told["known"], told["found"], told["false"], told["delays_seconds"]) == (
        None, None, None, []
    )  # fmt: skip
    assert (told["confirmed"], told["unlabelled"]) == (1, len(result.alarms) - 1)
    shown = command("backtest")
    assert "false events" not in shown
    assert "delay" not in shown
    assert re.search(rf"unlabelled +{len(result.alarms) - 1} of {len(result.alarms)} events", shown)


def test_false_alarms_alone_are_counted(plant):
    """Nobody confirmed anything, and yet something is known."""
    plant.score()
    event = read_event_table(plant.output)["event_id"].to_pylist()[0]
    label_events(plant.output, [event], opinion=FALSE_ALARM, note=None, now="2026-02-01")
    result, _ = backtest(plant)
    assert result.by_label["false_alarm"] == 1
    assert result.by_label["confirmed"] == 0
    assert (result.known, result.complete) == ((), False)


@pytest.fixture
def command(plant):
    """Run a command and return its output."""
    config = plant.written()

    def command(name, *words):
        done = run(
            [sys.executable, "-m", "aedetect", name, config, *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=plant.folder,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return command


def test_backtest_and_label_on_the_command_line(plant, command):
    """Table, figure, JSON; then a label, and the list of labels."""
    plant.score()
    shown = command("backtest", "--threshold", "alert_budget", "--set", "events.cool_down=1h")
    assert "this threshold (alert_budget) would have given" in shown
    assert DAYS[1] in shown
    assert "to keep it: aedetect calibrate" in " ".join(shown.split())
    assert (plant.folder / "figures" / "backtest.png").stat().st_size > 5_000
    found = json.loads(command("backtest", "--json"))
    assert found["events"] == sum(sum(day.values()) for day in found["by_day"].values())
    event = read_event_table(plant.output)["event_id"].to_pylist()[0]
    assert event in command("label", event, "--confirmed", "--note", "pump seized")
    listed = json.loads(command("label", "--json"))
    assert [(each["event_id"], each["note"]) for each in listed] == [(event, "pump seized")]
    assert "no event is labelled" in command("label", event, "--undo")
