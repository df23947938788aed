"""Single cells far out: python benchmarks/far_cells.py [--columns N ...] [--epochs N] [--misses].

--variants, --backbones and --scores: only these, in place of all.

Normal rows of two units follow three loads; the last two columns are nearly constant: they stand at
0.5 for all training rows of a unit but one, which has 0 in one column and 1 in the other. In later
rows, single columns are injected at 5 to 100 standard deviations from their mean (of all training
rows of the unit), each size into the same rows: a spike of one row, a step of 30, a ramp over 16
and one over 60 rows. For every variant, backbone and score, with the other settings at their
defaults, of the plants of 10 standard deviations or more:

    flagged   share with a flagged row at 10 standard deviations or more
    first     of those, share where the column is the first cause of each of these rows
    falls     share of the columns and kinds whose smallest p-value never rises with the size
    normal    share of normal rows flagged, against 0.1 % promised
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import torch

from aedetect.calibration.settings import ScoreName
from aedetect.config import Config, make_config
from aedetect.detector import CalibratedScorer, Scorer
from aedetect.detector.residuals import Residuals
from aedetect.jobs import dataset, fit_scorer, training
from aedetect.jobs.residuals import learn_statistics
from aedetect.models.settings import BackboneName, VariantName
from aedetect.scoring.frames import score_frame
from aedetect.training import Ingested, PreparedRows

SIZES = (5.0, 10.0, 20.0, 50.0, 100.0)  # standard deviations
FAR = 10.0  # from here on a cell must count
KINDS = {"spike": (0, 1), "step": (0, 30), "ramp 16": (16, 1), "ramp 60": (60, 1)}  # rise, rows
SPACE = 160  # rows between plants; those of one column are a history apart
TRAINING_ROWS = 7_291  # of a unit
UNITS = ("quiet", "noisy")
OPTIONS = {
    "--variants": get_args(VariantName),
    "--backbones": get_args(BackboneName),
    "--scores": get_args(ScoreName),
}
START = pd.Timestamp("2026-01-01")


@dataclass(frozen=True)
class Plant:
    """A injected fault: its kind, column and size, and the rows that reach 10, or its size."""

    kind: str
    column: int
    size: float
    rows: slice


def normal_rows(columns: int, rows: int, *, seed: int, later: bool) -> pd.DataFrame:
    """Return normal rows of both units; the mixing of loads is the same for every seed."""
    mixing = np.random.default_rng(7).normal(size=(3, columns - 2))
    random = np.random.default_rng(seed)
    tables = []
    for unit, spread in zip(UNITS, (0.1, 0.6), strict=True):
        time = np.arange(rows) + (TRAINING_ROWS if later else 0)
        loads = np.stack([np.sin(2 * np.pi * time / period) for period in (60, 240, 1440)], axis=1)
        smooth = np.cumsum(random.normal(scale=0.02, size=(rows, 3)), axis=0)
        smooth -= pd.DataFrame(smooth).rolling(200, min_periods=1).mean().to_numpy()
        values = (loads + smooth) @ mixing + random.normal(scale=spread, size=(rows, columns - 2))
        rare = np.full((rows, 2), 0.5)
        if not later:
            rare[rows // 3, 0], rare[rows - 200, 1] = 0.0, 1.0
        table = pd.DataFrame(np.hstack([values, rare])).rename(columns="c{:02d}".format)
        table.insert(0, "time", pd.date_range(START, periods=rows, freq="min"))
        table["time"] += pd.Timedelta(minutes=TRAINING_ROWS if later else 0)
        table.insert(1, "unit", unit)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def injected(
    train: pd.DataFrame, columns: int, *, unit: str, size: float
) -> tuple[pd.DataFrame, list[Plant]]:
    """Return later rows with faults of one size, of one unit: the same rows for every size."""
    own = train[train["unit"] == unit].iloc[:, 2:]
    mean, spread = own.mean().to_numpy(), own.std(ddof=0).to_numpy()
    chosen = sorted({0, columns // 2 - 1, columns - 3, columns - 2, columns - 1})
    length = SPACE + max(rise + lasting for rise, lasting in KINDS.values())
    count = len(chosen) * len(KINDS)
    frame = normal_rows(columns, (count + 1) * length, seed=1, later=True)
    frame = frame[frame["unit"] == unit].reset_index(drop=True)
    values = frame.iloc[:, 2:].to_numpy(dtype=float, copy=True)
    plants: list[Plant] = []
    for (kind, (rise, lasting)), column in product(KINDS.items(), chosen):
        peak = len(plants) * length + SPACE + rise
        target = mean[column] + size * spread[column]
        before = values[peak - rise : peak, column]
        before += np.arange(1, rise + 1) / (rise + 1) * (target - before)
        values[peak : peak + lasting, column] = target
        own = (values[peak - rise : peak + lasting, column] - mean[column]) / spread[column]
        begin = peak - rise + int((own >= min(size, FAR) - 1e-6).argmax())
        plants.append(Plant(kind, column, size, slice(begin, peak + lasting)))
    frame.iloc[:, 2:] = values
    return frame, plants


def networks(
    columns: int, folder: Path, given: argparse.Namespace
) -> Iterator[tuple[Config, Ingested, PreparedRows, fit_scorer.Trained, pd.DataFrame]]:
    """Train each variant on each backbone."""
    train = normal_rows(columns, TRAINING_ROWS, seed=0, later=False)
    train.to_parquet(folder / "train.parquet")
    base = {
        "detector": {"name": "far"},
        "data": {"train": "train.parquet", "timestamp": "time", "entity": "unit"},
        "training": {"epochs": given.epochs, "device": "cpu"},
    }
    first = make_config(base, folder=folder)
    ingested = dataset.ingest_rows(first, folder)
    prepared = dataset.prepare_rows(first, ingested, folder)
    for backbone, variant in product(given.backbones, given.variants):
        if variant == "linear" and backbone == "convolutional":
            continue  # the closed form knows no backbone
        model = {"variant": variant, "backbone": backbone}
        config = make_config(base | {"model": model}, folder=folder)
        trained = fit_scorer.train_scorer(config, ingested, prepared)
        yield config, ingested, prepared, trained, train


def with_score(
    score: ScoreName,
    config: Config,
    ingested: Ingested,
    prepared: PreparedRows,
    trained: fit_scorer.Trained,
) -> CalibratedScorer:
    """Return the detector of a trained network with another score."""
    config = replace(config, calibration=replace(config.calibration, score=score))
    sizes = Residuals(np.ones((1, 1), dtype=np.float32))
    scorer: Scorer = replace(trained.scorer, score=score, residuals=sizes)
    series = fit_scorer.series_of(ingested, prepared)
    scorer = learn_statistics(
        scorer, ingested.rows, series, prepared.windows, stride=config.window.stride
    )
    trained = replace(trained, scorer=scorer)
    return training.calibrate_detector(config, ingested, prepared, trained)


def measured(detector: CalibratedScorer, frame: pd.DataFrame, plants: list[Plant]) -> pd.DataFrame:
    """Return a row for each plant: flagged, first, p_value."""
    scored = score_frame(detector, frame, causes=True)
    rows = []
    for plant in plants:
        own = scored.iloc[plant.rows]
        causes = own["causes"][own["verdict"] == "anomaly"]
        name = frame.columns[2 + plant.column]
        first = all(each[0]["feature"] == name for each in causes)
        found = (len(causes) > 0, len(causes) > 0 and first, own["p_value"].min())
        rows.append((plant.kind, plant.column, plant.size, *found))
    return pd.DataFrame(rows, columns=["kind", "column", "size", "flagged", "first", "p_value"])


def falls(found: pd.DataFrame) -> float:
    """Return the share of columns and kinds where the p-value never rises with the size."""
    groups = found.sort_values("size").groupby(["unit", "kind", "column"])["p_value"]
    return float(groups.apply(lambda p: bool((np.diff(p) <= 0).all())).mean())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, nargs="*", default=[5, 19, 60])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--misses", action="store_true", help="also where it fails")
    for option, every in OPTIONS.items():
        parser.add_argument(option, nargs="+", choices=every, default=every)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| columns | variant | backbone | score | flagged | first | falls | normal rows |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for columns in given.columns:
        with tempfile.TemporaryDirectory() as name:
            for config, ingested, prepared, trained, train in networks(columns, Path(name), given):
                for score in given.scores:
                    if score == "elbo" and config.model.variant != "variational":
                        continue
                    detector = with_score(score, config, ingested, prepared, trained)
                    report(detector, train, columns, misses=given.misses)


def report(detector: CalibratedScorer, train: pd.DataFrame, columns: int, *, misses: bool) -> None:
    """Print a row of the table, and where it fails."""
    found = []
    for unit, size in product(UNITS, SIZES):
        frame, plants = injected(train, columns, unit=unit, size=size)
        found.append(measured(detector, frame, plants).assign(unit=unit))
    every = pd.concat(found, ignore_index=True)
    clean = score_frame(detector, normal_rows(columns, 5_000, seed=2, later=True))
    far = every[every["size"] >= FAR]
    shares = [far["flagged"].mean(), far["first"][far["flagged"]].mean()]
    model = detector.scorer.model.settings
    cells = " | ".join(f"{each:.1%}" for each in (*shares, falls(every)))
    print(
        f"| {columns} | {model.variant} | {model.backbone} | {detector.scorer.score} | {cells} "
        f"| {(clean['verdict'] == 'anomaly').mean():.3%} |",
        flush=True,
    )
    if misses:
        missed = far[~far["flagged"] | ~far["first"]]
        counts = missed.groupby(["unit", "kind", "column", "size"])[["flagged", "first"]].sum()
        print(counts.to_string(), flush=True)
        rising = every.pivot_table("p_value", ["unit", "kind", "column"], "size")
        print(rising[(rising.diff(axis=1) > 0).any(axis=1)].to_string(), flush=True)


if __name__ == "__main__":
    main()
