"""Days, hours and texts in the zone of the data, or in that of `[data] timezone`."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from aedetect.cli import app
from aedetect.config import make_config
from aedetect.errors import ConfigError
from aedetect.jobs.scoring import run_scoring
from aedetect.output.partitions import Span
from aedetect.preprocessing.encoding import encode_calendar
from aedetect.scoring import Model
from aedetect.timestamps import parse_instant
from aedetect.wall_clock import WallClock

AUTUMN = ("2026-10-23 22:00", "2026-10-26 23:00")  # UTC: three days of Berlin, of 24, 25, 24 hours
SECTIONS = {
    "detector": {"name": "pump"},
    "data": {"train": "train.parquet", "timestamp": "time", "entity": "unit"},
    "window": {"length": 4},
    "model": {"variant": "linear"},
    "calibration": {"false_alarm_rate": 0.02},
    "scoring": {"input": "incoming"},
}


def table(start, end, zone):
    """A row every five minutes, with a wave of a day."""
    time = pd.date_range(start, end, freq="5min", inclusive="left", tz="UTC")
    random = np.random.default_rng(7)
    wave = np.sin(np.arange(len(time)) / 30)
    time = time.tz_convert(zone) if zone else time.tz_localize(None)
    return pd.DataFrame(
        {
            "time": time.astype(f"datetime64[us, {zone}]" if zone else "datetime64[us]"),
            "unit": "east",
            "a": wave + random.normal(0, 0.1, len(time)),
            "b": random.normal(0, 0.1, len(time)) - wave,
        }
    )


@pytest.fixture
def pump(tmp_path, write, learn):
    """Train on a table of a zone, then score one of the autumn; the detector is not registered."""

    class Pump:
        folder, output = tmp_path, tmp_path / "output"
        incoming = tmp_path / "incoming"

        def train(self, zone, **data):
            self.given = SECTIONS | {"data": SECTIONS["data"] | data}
            write(table("2026-09-01", "2026-09-08", zone), tmp_path / "train.parquet")
            learn(tmp_path, **self.given).detector.save(tmp_path / "saved")

        def score(self, *, span=None, force=False, data=None, **scoring):
            given = self.given | {"scoring": SECTIONS["scoring"] | scoring}
            given["data"] = given["data"] | (data or {})
            model = Model(folder=str(tmp_path / "saved"), name="pump", version=1)
            return run_scoring(
                make_config(given, folder=tmp_path), model=model, span=span, force=force
            )

        def days(self, kind="scores", output="output"):
            paths = sorted((tmp_path / output / kind).rglob("*.parquet"))
            found = {path.parent.name: pq.ParquetFile(path).read() for path in paths}
            return {name.partition("=")[2]: each for name, each in found.items()}

    return Pump()


def test_days_are_those_of_the_data(pump, write):
    """With 25 hours in autumn, from midnight to midnight; times keep their zone."""
    pump.train("Europe/Berlin")
    write(table(*AUTUMN, "Europe/Berlin"), pump.incoming / "a.parquet")
    summary = pump.score()
    days = pump.days()
    assert {day: len(each) for day, each in days.items()} == {
        "2026-10-24": 288,
        "2026-10-25": 300,
        "2026-10-26": 288,
    }
    assert {str(each["timestamp"].type) for each in days.values()} == {
        "timestamp[us, tz=Europe/Berlin]"
    }
    times = days["2026-10-25"]["timestamp"].to_pylist()
    assert times[0].isoformat() == "2026-10-25T00:00:00+02:00"
    assert times[-1].isoformat() == "2026-10-25T23:55:00+01:00"
    assert (summary.partitions, summary.newest) == (3, "2026-10-26T23:55:00+01:00")
    assert pump.score().partitions == 0


@pytest.mark.parametrize("by", ["day", "hour"])
def test_partitions_of_a_zone_are_pure(pump, write, by):
    """Day by day and all at once give the same bytes, over the change of the clock too."""
    pump.train("UTC", timezone="Australia/Lord_Howe")
    rows = table("2026-04-03 13:00", "2026-04-05 14:00", "UTC")
    middle = len(rows) // 2 + 5
    write(rows.iloc[:middle], pump.incoming / "1.parquet")
    pump.score(partition=by)
    write(rows.iloc[middle:], pump.incoming / "2.parquet")
    pump.score(partition=by)
    pump.score(partition=by, output="other")
    paths = sorted(path.relative_to(pump.output) for path in pump.output.rglob("date=*/**/*.parq*"))
    assert len(paths) > 4
    for path in paths:
        assert (pump.output / path).read_bytes() == (pump.folder / "other" / path).read_bytes()
    if by == "hour":
        twice = pump.output / "scores/date=2026-04-05/hour=01/part-0.parquet"
        assert pq.ParquetFile(twice).metadata.num_rows == 18  # an hour and a half
    else:
        assert len(pump.days()["2026-04-05"]) == 294  # 24 and a half hours


def test_days_may_begin_within_an_hour_of_utc(pump, write):
    """In India at half past six in the evening, in Nepal a quarter before that."""
    pump.train("UTC")
    write(table("2026-10-23 18:30", "2026-10-25 18:30", "UTC"), pump.incoming / "a.parquet")
    pump.score(data={"timezone": "Asia/Kolkata"})
    counts = {day: len(each) for day, each in pump.days().items()}
    assert counts == {"2026-10-24": 288, "2026-10-25": 288}
    pump.score(data={"timezone": "Asia/Kathmandu"}, output="other")
    counts = {day: len(each) for day, each in pump.days(output="other").items()}
    assert counts == {"2026-10-24": 285, "2026-10-25": 288, "2026-10-26": 3}


def test_another_zone_forms_the_days_again(pump, write):
    """All of them; every row is there once, with the same score."""
    pump.train("UTC")
    write(table(*AUTUMN, "UTC"), pump.incoming / "a.parquet")
    pump.score()
    before = pd.concat(each.to_pandas() for each in pump.days().values())
    assert set(pump.days()) == {"2026-10-23", "2026-10-24", "2026-10-25", "2026-10-26"}
    summary = pump.score(data={"timezone": "Europe/Berlin"})
    assert (summary.partitions, summary.withdrawn) == (3, ("2026-10-23",))
    after = pd.concat(each.to_pandas() for each in pump.days().values())
    assert (
        after["timestamp"].dt.tz_convert("UTC").to_numpy() == before["timestamp"].to_numpy()
    ).all()
    assert after["score"].to_numpy().tobytes() == before["score"].to_numpy().tobytes()
    assert pump.score(data={"timezone": "Europe/Berlin"}).partitions == 0


def test_a_range_is_in_the_zone(pump, write):
    """One day of Berlin is one partition."""
    pump.train("Europe/Berlin")
    write(table(*AUTUMN, "Europe/Berlin"), pump.incoming / "a.parquet")
    pump.score()
    clock = WallClock("Europe/Berlin")
    span = Span(clock.parse("2026-10-25"), clock.parse("2026-10-26"))
    assert pump.score(span=span, force=True).partitions == 1


def test_local_time_without_zone_keeps_its_days(pump, write):
    """The files stay without a zone; the second of two equal hours repeats the first."""
    pump.train(None, timezone="Europe/Berlin")
    local = table(*AUTUMN, "Europe/Berlin")
    local["time"] = local["time"].dt.tz_localize(None)
    write(local, pump.incoming / "a.parquet")
    summary = pump.score()
    assert {day: len(each) for day, each in pump.days().items()} == {
        "2026-10-24": 288,
        "2026-10-25": 300,
        "2026-10-26": 288,
    }
    assert summary.not_scored["duplicate timestamp"] == 12
    assert summary.newest == "2026-10-26T23:55:00+01:00"
    assert {each["timestamp"].type.tz for each in pump.days().values()} == {None}


def test_the_daily_cycle_does_not_jump_when_the_clock_is_changed(pump):
    """Eight in the morning is the same hour in winter and in summer."""
    days = ("2026-03-27T07:00", "2026-03-30T06:00")
    time = np.array([parse_instant(each) for each in days], dtype=np.int64)
    winter, summer = encode_calendar(time, ("hour",), WallClock("Europe/Berlin"))
    np.testing.assert_array_equal(winter, summer)
    late = np.array([parse_instant("2026-03-29T22:30"), parse_instant("2026-03-30T06:00")])
    sunday, monday = encode_calendar(late, ("weekday",), WallClock("Europe/Berlin"))
    np.testing.assert_array_equal(sunday, monday)  # half past midnight is Monday
    pump.train("Europe/Berlin", context=["hour", "weekday"])
    from aedetect.scoring import cached_detector

    assert cached_detector(str(pump.folder / "saved")).scorer.preparation.clock == WallClock(
        "Europe/Berlin"
    )


def test_planned_work_without_zone_is_in_the_zone(pump, write):
    """As people write it on the wall."""
    pump.train("Europe/Berlin")
    write(table(*AUTUMN, "Europe/Berlin"), pump.incoming / "a.parquet")
    (pump.folder / "work.csv").write_text("start,end\n2026-10-26T08:00,2026-10-26T09:00\n")
    pump.given["events"] = {"maintenance": ["work.csv"]}
    summary = pump.score()
    assert summary.suppressed["maintenance"] == 12
    rows = pump.days()["2026-10-26"].to_pandas().set_index("reason")
    assert str(rows.loc["maintenance", "timestamp"].min()) == "2026-10-26 08:00:00+01:00"


def test_the_screens_and_json_say_the_same(pump, write):
    """What `flags`, `label` and `runs` show is read by --since; JSON has the offset."""
    pump.train("UTC")
    rows = table(*AUTUMN, "UTC")
    rows.loc[400:402, "a"] = 30.0
    write(rows, pump.incoming / "a.parquet")
    pump.score(data={"timezone": "Europe/Berlin"})
    lines = ["[detector]", 'name = "pump"', "[data]", 'train = "train.parquet"']
    lines += [
        'timestamp = "time"',
        'entity = "unit"',
        'timezone = "Europe/Berlin"',
        "[scoring]",
        'input = "incoming"',
    ]
    path = pump.folder / "pump.toml"
    path.write_text("\n".join(lines))

    def run(*words):
        """Run a command that succeeds; return what it prints."""
        done = CliRunner().invoke(app, list(map(str, words)))
        assert done.exit_code == 0, done.output
        return done.output

    events = json.loads(run("flags", path, "--json"))
    worst = next(each for each in events if each["rows"] >= 3)
    assert worst["start"] == "2026-10-25T08:20:00+01:00"
    assert "2026-10-25 08:20+01:00" in run("flags", path)
    for since in ("2026-10-25 08:20+01:00", "2026-10-25T08:20", "2026-10-25T07:20Z"):
        found = json.loads(run("flags", path, "--json", "--since", since, "--until", "2026-10-26"))
        assert worst["event_id"] in [each["event_id"] for each in found]
    run("label", path, worst["event_id"], "--confirmed")
    assert "2026-10-25 08:20:00+01:00" in run("label", path)
    assert json.loads(run("label", path, "--json"))[0]["start"] == worst["start"]


def test_an_unknown_zone_is_refused(pump):
    """With the nearest one."""
    given = SECTIONS | {"data": SECTIONS["data"] | {"timezone": "Europe/Berln"}}
    with pytest.raises(ConfigError, match=r'timezone must be a name .* \(did you mean "Europe/Ber'):
        make_config(given, folder=pump.folder)
