"""A year of daily runs: python benchmarks/life.py [--days 365 --every 1 --units 4 --to FOLDER].

Units of five columns, a row every half hour. All units change in spring; the detector trains again
for drift and for age, each new version scores in shadow for a week and is promoted by the gate. In
summer someone trains on shuffled columns, which the gate stops, promotes that version by force, and
rolls it back ten days later. Faults of a few hours come all year. Once a month the run of the day,
and any training that it starts, is killed (SIGKILL) at a random moment, until one ends. Printed:
the history of promotions, which version scored what under which promise, what came of it month by
month, and whether every row has one verdict.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from aedetect import registry
from aedetect.config import Config, make_config
from aedetect.events import read_event_table
from aedetect.jobs.promises import promise_of
from aedetect.jobs.retraining import retraining_due
from aedetect.jobs.scoring import run_scoring
from aedetect.jobs.training import retrain_if_due, run_training
from aedetect.output import list_files
from aedetect.registry import promote_version
from aedetect.registry.history import Decision
from aedetect.registry.promotions import read_promotions, rollback_version
from aedetect.registry.tags import set_version_tags

COLUMNS = ("flow", "pressure", "speed", "heat", "seal")
FIRST = pd.Timestamp("2026-01-01")
LEARNT, A_DAY = 90, 48  # days before the first; rows of a unit
CHANGE, BAD, FORCED, BACK = 70, 200, 215, 225  # days of the year
FAULT_EVERY, FAULT_ROWS = 12, 8
KILLED_EVERY, KILLED_FROM = 30, 17  # days
CHILD = "--daily-run"


@dataclass(frozen=True)
class Plant:
    """All rows, from before the year to its end, and the faults in them."""

    rows: pd.DataFrame
    faults: pd.DataFrame

    def days(self, first: int, stop: int) -> pd.DataFrame:
        """Return the rows of days of the year, [first, stop)."""
        since, until = (FIRST + pd.Timedelta(days=day) for day in (first, stop))
        return self.rows[(self.rows["time"] >= since) & (self.rows["time"] < until)]


def make_plant(*, units: int, days: int) -> Plant:
    """Return a daily cycle, two drivers and noise; all units change, single ones have faults."""
    from scipy.signal import lfilter

    random = np.random.default_rng(7)
    count = (LEARNT + days) * A_DAY
    at = pd.date_range(FIRST - pd.Timedelta(days=LEARNT), periods=count, freq="30min")
    cycle = np.sin(np.arange(count) * 2 * np.pi / A_DAY)
    mixing = np.random.default_rng(0).normal(size=(3, len(COLUMNS)))
    parts, faults = [], []
    for unit in range(units):
        fresh = random.normal(size=(2, count)) * np.sqrt(1 - 0.8**2)
        drivers = np.stack([cycle, *lfilter([1.0], [1.0, -0.8], fresh, axis=1)])
        values = drivers.T @ mixing + 0.4 * random.normal(size=(count, len(COLUMNS)))
        changed = at >= FIRST + pd.Timedelta(days=CHANGE)
        values[changed, 1] += 5
        values[changed, 3] *= 2
        for day in range(FAULT_EVERY * (unit + 1) // units, days, FAULT_EVERY * units // 2):
            row = (LEARNT + day) * A_DAY + int(random.integers(A_DAY - FAULT_ROWS))
            column = int(random.integers(len(COLUMNS)))
            values[row : row + FAULT_ROWS, column] += 5 * random.choice([-1, 1])
            faults.append((f"P-{unit}", at[row], at[row + FAULT_ROWS - 1]))
        frame = pd.DataFrame(100 + 10 * values, columns=list(COLUMNS))
        parts.append(frame.assign(time=at.astype("datetime64[ms]"), unit=f"P-{unit}"))
    named = pd.DataFrame(faults, columns=["entity", "start", "end"])
    return Plant(pd.concat(parts, ignore_index=True), named)


def settings(folder: Path) -> Config:
    """Return the configuration of the detector."""
    return make_config(
        {
            "detector": {"name": "plant"},
            "data": {"train": "train.parquet", "timestamp": "time", "entity": "unit"},
            "window": {"length": 8},
            "model": {"variant": "undercomplete"},
            "calibration": {"alert_budget": "1 per week per entity"},
            "training": {
                "epochs": 10, "window": "90d", "on_drift": True, "max_age": "120d",
                "hold_off": "14d",
            },
            "promotion": {"automatic": True, "shadow": "7d"},
            # Scheduled, so that thresholds follow. [calibration] renew = "never": as before that.
            "scoring": {"input": "incoming", "output": "output", "schedule": "0 6 * * *"},
        },
        folder=folder,
    )  # fmt: skip


def daily_run(config: Config) -> None:
    """Score, and train again if that is due: what is scheduled, in the order of the schedule."""
    run_scoring(config)
    train_again(config)


def train_again(config: Config) -> None:
    """Train again if that is due, and say what the gate says."""
    said = retrain_if_due(config)
    if said is not None:
        tags = said[1].tags
        print(f"  {said[1].reference}: {tags['trained_because']}")
        print(f"      {tags['gate'][:300]}", flush=True)


def kill_daily_runs(folder: Path, *, seed: int, kills: int) -> None:
    """Start the run of the day in processes of its own, and kill each at a random moment."""
    random = np.random.default_rng(seed)
    told = []
    for _ in range(kills):
        command = [sys.executable, __file__, CHILD, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603
            assert child.stdout is not None
            child.stdout.readline()  # imports are done, the run begins
            wait = float(random.uniform(0.2, 6))
            try:
                child.wait(wait)
                told.append(f"ended within {wait:.1f} s")
            except subprocess.TimeoutExpired:
                child.kill()
                told.append(f"killed after {wait:.1f} s")
    print(f"  runs of the day: {', '.join(told)}", flush=True)


def live(config: Config, plant: Plant, days: range, *, kills: int) -> None:
    """Let a year pass, a run every so many days."""
    uri = config.tracking_uri
    killed = max(days.start - KILLED_FROM + KILLED_EVERY - 1, 0) // KILLED_EVERY
    for first in days:
        passed = range(first, min(first + days.step, days.stop))
        for day in passed:
            date = FIRST + pd.Timedelta(days=day)
            rows = plant.days(day, day + 1)
            rows.to_parquet(config.folder / f"incoming/{date:%Y-%m-%d}.parquet", index=False)
        before = {each.key for each in read_promotions(config.name, tracking_uri=uri)}
        if day >= KILLED_FROM + killed * KILLED_EVERY:
            print(f"{date:%m-%d} kills while it scores")
            kill_daily_runs(config.folder, seed=day, kills=kills)
            killed += 1
        run_scoring(config)
        if retraining_due(config):
            print(f"{date:%m-%d} kills while it trains")
            kill_daily_runs(config.folder, seed=day, kills=kills)
            train_again(config)
        if BAD in passed:
            train_badly(config, plant, day)
        if FORCED in passed:
            bad = max(
                registry.list_versions(name=config.name, tracking_uri=uri),
                key=lambda each: each.version if "trained_badly" in each.tags else 0,
            )
            why = Decision(action="forced", why="we need the new one today")
            promote_version(bad, tracking_uri=uri, decision=why)
        if BACK in passed:
            why = Decision(action="rollback", why="far too many alarms")
            rollback_version(config.name, tracking_uri=uri, decision=why)
        for each in read_promotions(config.name, tracking_uri=uri):
            if each.key not in before:
                print(
                    f"{date:%m-%d} {each.action} {config.name}/{each.version}: {each.why[:300]}",
                    flush=True,
                )


def train_badly(config: Config, plant: Plant, day: int) -> None:
    """Train on an export in which every column lost its order; the gate decides."""
    random = np.random.default_rng(1)
    rows = plant.days(day - 60, day - 10).copy()
    for name in COLUMNS:
        rows[name] = random.permutation(rows[name].to_numpy())
    rows.to_parquet(config.folder / "export.parquet", index=False)
    changed = replace(
        config,
        data=replace(config.data, train="export.parquet"),
        training=replace(config.training, window=None),
    )
    _, made = run_training(changed)
    set_version_tags(made, {"trained_badly": "yes"}, tracking_uri=config.tracking_uri)
    print(f"day {day}, {made.reference} on shuffled columns: {made.tags['gate'][:400]}", flush=True)


def judged_rows(config: Config, plant: Plant) -> pd.DataFrame:
    """Return the rows without a fault that were judged: by which version, and what it promised."""
    parts = []
    for file in list_files(config.output, "scores"):
        origin = file.origin()
        table = file.read(["timestamp", "entity", "verdict"]).to_pandas()
        reference = f"{origin.model_name}/{origin.model_version}"
        parts.append(table.assign(version=reference, calibration=origin.calibration_version))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["verdict"] != "not_scored"]
    rows["faulty"] = False
    ends = plant.faults["end"] + pd.Timedelta(hours=4)
    for entity, start, end in zip(plant.faults["entity"], plant.faults["start"], ends, strict=True):
        rows.loc[(rows["entity"] == entity) & rows["timestamp"].between(start, end), "faulty"] = (
            True
        )
    known = {
        key: kept.share if (kept := promise_of(config, *key)) else float("nan")
        for key in set(zip(rows["version"], rows["calibration"], strict=True))
    }
    keys = zip(rows["version"], rows["calibration"], strict=True)
    rows["promise"] = [known[key] for key in keys]
    rows["flagged"] = rows["verdict"] == "anomaly"
    rows["day"] = rows["timestamp"].dt.strftime("%m-%d")
    found: pd.DataFrame = rows[~rows["faulty"]].sort_values("timestamp", kind="stable")
    return found


def added_up(rows: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    """Return, of each group, who judged, what was promised and what was flagged."""
    found: pd.DataFrame = rows.groupby(by).agg(
        version=("version", "first"),
        since=("day", "first"),
        until=("day", "last"),
        rows=("flagged", "size"),
        promise=("promise", "mean"),
        flagged=("flagged", "mean"),
    )
    return found.assign(factor=found["flagged"] / found["promise"])


def print_table(table: pd.DataFrame) -> None:
    """Print a table as Markdown."""
    print(f"| {' | '.join(table.columns)} |\n|{'---|' * len(table.columns)}")
    for row in table.itertuples(index=False):
        cells = [f"{each:.2g}" if isinstance(each, float) else str(each) for each in row]
        print(f"| {' | '.join(cells)} |")


def who_scored(config: Config, plant: Plant) -> None:
    """Print the stretches of time that a version judged, how it came to, and the months."""
    rows = judged_rows(config, plant)
    stretch = (rows["version"] != rows["version"].shift()).cumsum()
    found = with_faults(rows, stretch, config, plant)
    history = read_promotions(config.name, tracking_uri=config.tracking_uri)
    actions = [(f"{config.name}/{each.version}", each.action) for each in history]
    by = []
    for version in found["version"]:
        while actions and actions[0][0] != version:
            actions.pop(0)
        by.append(actions.pop(0)[1] if actions else "")
    print("\nwho scored what, under which promise")
    print_table(found.assign(by=by))
    print("\nby month")
    months = rows["timestamp"].dt.strftime("%Y-%m") + " " + rows["version"]
    print_table(with_faults(rows, months, config, plant))


def with_faults(rows: pd.DataFrame, by: pd.Series, config: Config, plant: Plant) -> pd.DataFrame:
    """Return what was flagged in each group of rows, and how many of the faults in it were met."""
    found = added_up(rows, by)
    at = np.searchsorted(rows["timestamp"].to_numpy(), plant.faults["start"].to_numpy(), "right")
    owner = by.to_numpy()[np.maximum(at - 1, 0)]
    faults = met(config, plant).groupby(owner).agg(["sum", "size"]).reindex(found.index)
    found["faults met"] = [f"{n:.0f} of {m:.0f}" for n, m in faults.fillna(0).to_numpy()]
    return found


def met(config: Config, plant: Plant) -> pd.Series:
    """Return which faults an event met."""
    events = read_event_table(config.output, suppressed=True).to_pandas()
    found = [
        bool(
            (
                (events["entity"] == each.entity)
                & (events["start"] <= each.end)
                & (events["end"] >= each.start)
            ).any()
        )
        for each in plant.faults.itertuples()
    ]
    return pd.Series(found, index=plant.faults.index)


def every_row_once(config: Config, plant: Plant, days: int) -> str:
    """Say how many rows have one verdict, and whether files of killed runs are left."""
    files = list_files(config.output, "scores")
    rows = pd.concat([each.read(["timestamp", "entity"]).to_pandas() for each in files])
    expected = len(plant.days(0, days))
    twice = int(rows.duplicated().sum())
    return f"{len(rows):,} verdicts of {expected:,} rows, {twice} rows twice"


def main() -> None:
    """Print what happened, and the tables."""
    if CHILD in sys.argv:
        print("begun", flush=True)
        daily_run(settings(Path(sys.argv[-1])))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--units", type=int, default=4)
    parser.add_argument("--every", type=int, default=1, help="days between two runs")
    parser.add_argument("--begin", type=int, default=0, help="day to go on from, with --to")
    parser.add_argument("--kills", type=int, default=3, help="before a run is left alone")
    parser.add_argument("--to", type=Path, help="folder to keep; default: a temporary one")
    asked = parser.parse_args()
    begun = time.monotonic()
    logging.basicConfig(level=logging.ERROR)
    with contextlib.ExitStack() as stack:
        folder = asked.to or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "incoming").mkdir(parents=True, exist_ok=asked.begin > 0)
        plant = make_plant(units=asked.units, days=asked.days)
        plant.days(-LEARNT, 0).to_parquet(folder / "train.parquet", index=False)
        config = settings(folder)
        if not asked.begin:
            run_training(config)
        live(config, plant, range(asked.begin, asked.days, asked.every), kills=asked.kills)
        print("\nwho promoted what")
        for each in read_promotions(config.name, tracking_uri=config.tracking_uri):
            print(f"{each.action:10} {config.name}/{each.version} after {each.before}")
        who_scored(config, plant)
        events = len(read_event_table(config.output, suppressed=True))
        print(
            f"{met(config, plant).sum()} of {len(plant.faults)} faults met, {events} events in all"
        )
        print(every_row_once(config, plant, asked.days))
        print(f"{asked.days} days in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
