"""Alarms of drift on quiet and on shifted data: python benchmarks/drift.py [--units 20 --days 60].

Units of five columns with a daily cycle and dependent noise, one row in so many --minutes; trained
on 14 days, or 1,500 rows where these are more.
Quiet days are scored and every day is judged as if it were the last: false alarms per entity-month.
Then one column of one unit is shifted from the third day on, by kind of shift: the delay in days
until the unit is named, alone and with the column. With --smd FOLDER the same judgement, day by
day, on the test files of the Server Machine Dataset, whose machines do change. With --quiet FOLDER
on real data that are normal: the last part of SMD's training file, or the later rows of GECCO 2018
on days without a labelled row, nor in the three days before.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import gecco
import numpy as np
import pandas as pd

from aedetect.config import Config, make_config
from aedetect.drift import Shift, find_shifts
from aedetect.jobs.scoring import run_scoring
from aedetect.jobs.training import train_detector
from aedetect.output.partitions import Span
from aedetect.scoring import Model
from aedetect.timestamps import parse_instant

COLUMNS = ("flow", "pressure", "speed", "heat", "seal")
START, MINUTES = pd.Timestamp("2026-01-01"), 1440  # of a day
ROWS = 1_500  # of a unit that are trained on, at least


def table(*, units: int, first: int, days: int, seed: int, minutes: int = 1) -> pd.DataFrame:
    """Return rows of all units: a daily cycle, two drivers, and noise that remembers."""
    rng = np.random.default_rng(seed)
    count = days * MINUTES // minutes
    time = pd.date_range(START + pd.Timedelta(days=first), periods=count, freq=f"{minutes}min")
    cycle = np.sin(np.arange(count) * 2 * np.pi * minutes / MINUTES)
    mixing = np.random.default_rng(0).normal(size=(3, len(COLUMNS)))
    parts = []
    for unit in range(units):
        drivers = np.stack([cycle, *_noise(rng, (2, count), 0.95)])
        values = drivers.T @ mixing + 0.5 * _noise(rng, (len(COLUMNS), count), 0.5).T
        frame = pd.DataFrame(values * 10 + 100, columns=list(COLUMNS))
        parts.append(frame.assign(time=time.astype("datetime64[ms]"), unit=f"P-{unit:02d}"))
    return pd.concat(parts, ignore_index=True)


def _noise(rng: np.random.Generator, shape: tuple[int, int], memory: float) -> np.ndarray:
    """Return noise of spread 1 in which each value remembers a share of the one before."""
    from scipy.signal import lfilter

    fresh = rng.normal(size=shape) * np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], fresh, axis=1))


def shifted(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Shift the column seal of P-00 from the third day on."""
    since = rows["time"].min() + pd.Timedelta(days=2)
    where = (rows["unit"] == "P-00") & (rows["time"] >= since)
    value = rows.loc[where, "seal"]
    spread = value.std()
    age = (rows.loc[where, "time"] - since) / pd.Timedelta(days=1)
    changed = {
        "one spread": value + spread,
        "ramp of 0.2 standard deviations a day": value + 0.2 * spread * age,
        "scale x 2": value.mean() + 2 * (value - value.mean()),
        "20 % missing": value.where(np.random.default_rng(9).uniform(size=len(value)) > 0.2),
    }
    return rows.assign(seal=rows["seal"].mask(where, changed[kind]))


def judged(output: Path, days: list[str]) -> dict[str, list[Shift]]:
    """Return what had shifted on each day, as if it were the last."""
    return {
        day: find_shifts(output, span=Span(until=parse_instant(day) + 86_400_000_000_000))
        for day in days
    }


def scored(config: Config, model: Model) -> list[str]:
    """Score the input; return the days of the output."""
    run_scoring(config, model=model)
    return [path.name[5:] for path in sorted((config.output / "drift").iterdir())]


def detector_of(folder: Path, given: dict[str, dict[str, object]]) -> Model:
    """Train without a registry; return what scores."""
    config = make_config(given, folder=folder)
    with tempfile.TemporaryDirectory() as scratch:
        _, _, detector = train_detector(config, Path(scratch))
    detector.save(folder / "model")
    return Model(folder=str(folder / "model"), name="bench", version=1)


def settings(train: Path, **data: object) -> dict[str, dict[str, object]]:
    """Return a configuration: the files to train on, and keys of [data]."""
    return {"detector": {"name": "bench"}, "data": {"train": str(train), **data}}


def judge_quiet(data: Path, folder: Path) -> None:
    """Print what is said of real days without anomalies, and how often."""
    if (data / gecco.LABELS).exists():
        early, later = gecco.split_rows(data)
    else:
        rows = pd.read_parquet(data / "train.parquet").assign(is_anomaly=np.int8(0))
        first, last = rows["timestamp"].min(), rows["timestamp"].max()
        since = (first + 0.6 * (last - first)).floor("D")
        early, later = rows[rows["timestamp"] < since], rows[rows["timestamp"] >= since]
    early.to_parquet(folder / "early.parquet", index=False)
    later.to_parquet(folder / "later.parquet", index=False)
    entity = {"entity": "entity"} if "entity" in early else {}
    given = settings(folder / "early.parquet", timestamp="timestamp", label="is_anomaly", **entity)
    given["model"], given["calibration"] = {"variant": "undercomplete"}, {"shapes": 0.0}
    model = detector_of(folder, given)
    given["scoring"] = {"input": str(folder / "later.parquet"), "output": "out"}
    config = make_config(given, folder=folder)
    labelled = later.loc[later["is_anomaly"] == 1, "timestamp"]
    loud = {each.floor("D") + pd.Timedelta(days=n) for each in labelled for n in range(4)}
    found = judged(config.output, scored(config, model))
    units = later["entity"].nunique() if entity else 1
    quiet = {day: shifts for day, shifts in found.items() if pd.Timestamp(day) not in loud}
    for day, shifts in quiet.items():
        print(day, "; ".join(each.text for each in shifts) or "nothing", flush=True)
    named = sum(each.entities for shifts in quiet.values() for each in shifts)
    alarms = {(each.entity, each.named) for shifts in quiet.values() for each in shifts}
    print(f"{len(alarms)} alarms; named on {named} of {units * len(quiet)} quiet entity-days")
    scores = pd.read_parquet(config.output / "scores")
    for name, day in sorted(alarms, key=str):
        own = scores if name is None else scores[scores["entity"] == name]
        share = (own.loc[own["date"].astype(str) == day, "verdict"] == "anomaly").mean()
        print(f"  {name or 'all'}, named on {day}: {share:.2%} of the rows of that day flagged")


def main() -> None:
    """Print false alarms and delays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=20)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--shifted", type=int, default=12, help="days of data that shift")
    parser.add_argument("--minutes", type=int, default=1, help="between rows")
    parser.add_argument("--smd", type=Path, help="folder with train.parquet and test.parquet")
    parser.add_argument("--quiet", type=Path, help="the same, or that of GECCO 2018")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.smd:
            data = {"timestamp": "timestamp", "entity": "entity", "label": "is_anomaly"}
            given = settings(asked.smd / "train.parquet", **data)
            model = detector_of(folder, given)
            given["scoring"] = {"input": str(asked.smd / "test.parquet"), "output": "out"}
            config = make_config(given, folder=folder)
            for day, shifts in judged(config.output, scored(config, model)).items():
                print(day, "; ".join(each.text for each in shifts) or "nothing")
            return
        if asked.quiet:
            judge_quiet(asked.quiet, folder)
            return
        learnt = max(14, ROWS * asked.minutes // MINUTES)
        size = {"units": asked.units, "minutes": asked.minutes}
        table(**size, first=0, days=learnt, seed=1).to_parquet(folder / "train.parquet")
        given = settings(folder / "train.parquet", timestamp="time", entity="unit")
        given["model"], given["calibration"] = {"variant": "undercomplete"}, {"shapes": 0.0}
        model = detector_of(folder, given)
        for kind in (
            "quiet",
            "one spread",
            "ramp of 0.2 standard deviations a day",
            "scale x 2",
            "20 % missing",
        ):
            days = asked.days if kind == "quiet" else asked.shifted
            rows = table(**size, first=learnt, days=days, seed=2)
            rows = rows if kind == "quiet" else shifted(rows, kind)
            source = folder / f"{kind}.parquet"
            rows.to_parquet(source)
            given["scoring"] = {"input": str(source), "output": kind}
            config = make_config(given, folder=folder)
            found = judged(config.output, scored(config, model))
            report(kind, found, months=asked.units * days / 30)


def report(kind: str, found: dict[str, list[Shift]], *, months: float) -> None:
    """Print one line: alarms of quiet units, or the delay of the shift."""
    if kind == "quiet":
        alarms = {(each.entity, each.named) for shifts in found.values() for each in shifts}
        print(f"quiet: {len(alarms)} alarms in {months:.0f} entity-months")
        return
    named = [
        [each for each in shifts if each.entity == "P-00" and "seal" in each.columns]
        for shifts in found.values()
    ]
    hit = [index for index, shifts in enumerate(named) if shifts]
    others = {each.entity for shifts in found.values() for each in shifts} - {"P-00"}
    day = f"named with its column on day {hit[0] - 1} of it" if hit else "not named"
    text = f": {named[hit[-1]][0].text}" if hit else ""
    print(f"{kind}: {day}, {len(others)} others{text}")


if __name__ == "__main__":
    main()
