"""What a training after a change is worth: python benchmarks/after_change.py [--after 3 10 21 45].

The plant of `benchmarks/life.py`, all of which changes on day 70. Versions are trained so many days
after that, on the 90 days before (as `[training] window` says) or on those since the change alone.
They judge the same 120 days, three months later, with a fault of four hours in each unit every
other day. Printed of each: what it promised, the share of the other rows that it flags, the faults
that it meets, and those that it would meet if it flagged as many of the other rows as all others.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from life import CHANGE, COLUMNS, FAULT_ROWS, Plant, make_plant, settings

from aedetect.calibration.trust import trust_of
from aedetect.config import Config
from aedetect.data import Query, find_files
from aedetect.detector import CalibratedScorer
from aedetect.errors import CalibrationRefused
from aedetect.jobs.gate_rows import judge_rows, mapped_rows
from aedetect.jobs.scoring import resolve_model
from aedetect.jobs.training import train_detector
from aedetect.registry import list_versions
from aedetect.scoring import cached_detector

WINDOW = 90  # days
JUDGED = 160, 280  # days of the year
EQUAL = 0.005  # of the other rows, at which all are compared


def with_faults(plant: Plant) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the judged days with a fault in each unit every other day, and all faults in them."""
    random = np.random.default_rng(5)
    rows = plant.days(*JUDGED).reset_index(drop=True)
    there = plant.faults["start"].between(rows["time"].min(), rows["time"].max())
    faults = [tuple(each) for each in plant.faults[there].to_numpy()]
    for unit, place in rows.groupby("unit").indices.items():
        for start in range(48, len(place) - FAULT_ROWS, 96):
            first = start + int(random.integers(48))
            chosen = np.asarray(place)[first : first + FAULT_ROWS].tolist()
            column = COLUMNS[int(random.integers(len(COLUMNS)))]
            rows.loc[chosen, column] += float(random.choice([-1, 1])) * random.uniform(20, 60)
            faults.append((unit, rows.loc[chosen[0], "time"], rows.loc[chosen[-1], "time"]))
    return rows, pd.DataFrame(faults, columns=["entity", "start", "end"])


def cases(after: list[int]) -> Iterator[tuple[str, int, int]]:
    """Yield a name, and the first and the last day, of the rows that are learnt."""
    yield "before the change", -WINDOW, 0
    for days in after:
        end = CHANGE + days
        yield f"{days} days after it, of 90 days", end - WINDOW, end
        if days >= 7:
            yield f"{days} days after it, since the change", CHANGE, end
    yield "90 days after it", CHANGE, CHANGE + WINDOW


def judged(config: Config, detector: CalibratedScorer, faults: pd.DataFrame) -> str:
    """Return the figures of a version on the rows with many faults."""
    schema = detector.scorer.schema
    files = find_files((str(config.folder / "judged.parquet"),), timestamp="time")
    with tempfile.TemporaryDirectory() as scratch:
        rows = mapped_rows(Query.of(schema, files.files), Path(scratch))
        found = judge_rows(detector, rows, np.ones(len(rows), dtype=bool))
        time, names = rows.time[found.ends], np.array(rows.names)[rows.entity[found.ends]]
    fault, beside = np.full(len(time), -1), np.zeros(len(time), dtype=bool)
    moments = faults[["start", "end"]].astype("datetime64[ns]").to_numpy().astype(np.int64)
    for number, (entity, (start, end)) in enumerate(zip(faults["entity"], moments, strict=True)):
        mine = (names == entity) & (time >= start)
        fault[mine & (time <= end)] = number
        beside |= mine & (time <= end + 4 * 3_600_000_000_000)
    quiet = found.score[~beside]
    equal = found.score > np.quantile(quiet, 1 - EQUAL)
    shares = [len(np.unique(fault[marked & (fault >= 0)])) for marked in (found.flagged, equal)]
    flagged = found.flagged[~beside].mean()
    promise = detector.calibration.promise
    held_out = detector.calibration.held_out.normal
    changed = trust_of(held_out, learnt=promise.learnt).is_changed
    return (
        f"{promise.share:.2%} | {flagged:.2%} | {shares[0]} of {len(faults)} | {shares[1]} | "
        f"{'yes' if changed else 'no'}"
    )


def print_registered(life: Path, folder: Path, faults: pd.DataFrame) -> None:
    """Print a line for each version that a year of benchmarks/life.py registered."""
    config, judge = settings(life), settings(folder)
    for each in list_versions(name=config.name, tracking_uri=config.tracking_uri)[::-1]:
        named = replace(config.scoring, model=f"{config.name}/{each.version}")
        model = resolve_model(replace(config, scoring=named))
        figures = judged(judge, cached_detector(model.folder), faults)
        print(f"| {each.reference} | {figures} |", flush=True)


def print_trained(plant: Plant, after: list[int], folder: Path, faults: pd.DataFrame) -> None:
    """Print a line for each version that is trained on other days."""
    base = settings(folder)
    config = replace(base, training=replace(base.training, window=None))
    for number, (case, first, stop) in enumerate(cases(after)):
        plant.days(first, stop).to_parquet(folder / "train.parquet", index=False)
        scratch = folder / str(number)
        scratch.mkdir()
        try:
            _, _, detector = train_detector(config, scratch)
        except CalibrationRefused:
            print(f"| {case} | refused | | | | |", flush=True)
            continue
        print(f"| {case} | {judged(config, detector, faults)} |", flush=True)


def main() -> None:
    """Print a line for each version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=2)
    parser.add_argument("--after", type=int, nargs="+", default=[3, 10, 14, 21, 29, 45, 60])
    parser.add_argument("--life", type=Path, help="folder of benchmarks/life.py")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    plant = make_plant(units=asked.units, days=365 if asked.life else JUDGED[1])
    rows, faults = with_faults(plant)
    print("| version | promise | flagged | met | met at 0.5 % | levels changed in it |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows.to_parquet(folder / "judged.parquet", index=False)
        if asked.life:
            print_registered(asked.life, folder, faults)
        else:
            print_trained(plant, asked.after, folder, faults)


if __name__ == "__main__":
    main()
