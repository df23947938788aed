"""Promise and outcome with and without renewal: python benchmarks/renewal.py DATA ... [--to TO].

DATA are folders as in benchmarks/detection.py. A detector with the default settings is trained and
registered; then the later rows are scored with `[calibration] renew` as the product does it: day by
day, with a renewal before each day if it is due. Nothing is simulated. With --to the outputs are
kept, one folder a data set and rule.

The measures, of later rows:
    promise        share of normal rows, the mean over the rows of what their entities are promised
    flagged        share of normal rows flagged
    factor         flagged in units of the promise; median and worst: of the entities
    met, false     share of labelled stretches with a flagged row; false events a day and entity
    equal          stretches met when all thresholds are multiplied by one number, by the labels, so
                   that false events are as many as without renewal
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import gecco
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from incidents import count_false, cuts_within, met, stretches

from aedetect import registry
from aedetect.arrays import Bool, Float64, Int32
from aedetect.config import Config, make_config
from aedetect.detector import read_outline, read_saved_history
from aedetect.jobs.scoring import run_scoring
from aedetect.jobs.training import run_training
from aedetect.output import list_files
from aedetect.scoring import Model

HEADS = ("data", "rule", "promise", "flagged", "factor", "median", "worst", "met", "false", "equal")


@dataclass(frozen=True)
class Outcome:
    """The scored later rows, by entity and time: (N,) each."""

    entity: Int32
    label: Bool
    score: Float64
    threshold: Float64
    promise: Float64
    days: float


def settings(source: Path, folder: Path, renew: str | None, extra: dict[str, object]) -> Config:
    """Return the default configuration of a data set, with its later rows as input."""
    names = pq.read_schema(source / "train.parquet").names
    data = {"train": str(source / "train.parquet"), "timestamp": "timestamp", "label": "is_anomaly"}
    if "entity" in names:
        data["entity"] = "entity"
    calibration = {**({} if renew is None else {"renew": renew}), **extra}
    return make_config(
        {
            "detector": {"name": source.name.replace("2018", "")},
            "data": data,
            "calibration": calibration,
            "training": {"device": "cpu"},
            "scoring": {"input": str(source / "test.parquet"), "output": renew or "static"},
        },
        folder=folder,
    )


def outcome(config: Config, model: Model) -> Outcome:
    """Read scores back, with the threshold in force at each and the promise of its entity."""
    place, history = Path(model.folder), read_saved_history(Path(model.folder))
    parts = []
    for file in list_files(config.output, "scores"):
        table = file.read().to_pandas().assign(version=file.origin().calibration_version)
        parts.append(table[table["score"].notna()])
    rows = pd.concat(parts, ignore_index=True)
    names = read_outline(place).entities
    keys = ["timestamp"] if rows["entity"].isna().all() else ["timestamp", "entity"]
    labels = pd.read_parquet(config.input[0], columns=[*keys, "is_anomaly"])
    rows = rows.merge(labels.drop_duplicates(keys), on=keys, how="left")
    several = len(names) > 1
    rows["code"] = pd.Categorical(rows["entity"], categories=list(names)).codes if several else 0
    rows = rows.sort_values(["code", "timestamp"], kind="stable").reset_index(drop=True)
    threshold, code = np.zeros(len(rows)), rows["code"].to_numpy(np.int32)
    base = read_outline(place, calibration=history.base).calibration
    promise = np.full(len(rows), base.threshold.rate)
    for own, group in base.own.items():
        promise[code == own] = group.threshold.rate
    for version in rows["version"].unique():
        chosen = (rows["version"] == version).to_numpy()
        calibration = read_outline(place, calibration=int(version)).calibration
        threshold[chosen] = calibration.thresholds(code[chosen])
    step = rows.groupby("code")["timestamp"].diff().median()
    days = float(len(rows) * step / pd.Timedelta(days=1))
    label = rows["is_anomaly"].to_numpy() > 0
    return Outcome(code, label, rows["score"].to_numpy(float), threshold, promise, days)


def measure(found: Outcome, false: float | None) -> tuple[list[float], float]:
    """Return the measures, and the false events a day and entity."""
    flagged, normal = found.score > found.threshold, ~found.label
    count = np.bincount(found.entity[normal], minlength=int(found.entity.max()) + 1)
    hits = np.bincount(found.entity[normal], flagged[normal], minlength=len(count))
    foreseen = np.bincount(found.entity[normal], found.promise[normal], minlength=len(count))
    ratio = hits[count > 0] / foreseen[count > 0]
    spans = stretches(found.label, found.entity)
    own = count_false(flagged, found.label, found.entity) / found.days
    relative = found.score / np.maximum(found.threshold, 1e-300)
    budget = (own if false is None else false) * found.days
    cut = cuts_within(relative, found.label, found.entity, budgets=[budget])[0]
    equal = met(relative >= cut, spans).mean()
    rows = int(normal.sum())
    shown = [foreseen.sum() / rows, hits.sum() / rows, hits.sum() / foreseen.sum()]
    shown += [float(np.median(ratio)), float(ratio.max())]
    return [*shown, float(met(flagged, spans).mean()), own, float(equal)], own


def compare(source: Path, folder: Path, rules: Sequence[str], extra: dict[str, object]) -> None:
    """Train once, score by each rule, and print a row for each."""
    if (source / gecco.LABELS).exists():
        (folder / "data").mkdir(parents=True)
        source = gecco.write_split(source, folder / "data" / source.name)
    _, registered = run_training(settings(source, folder / "model", None, {}))
    static: float | None = None
    for rule in ("static", *rules):
        renew = None if rule == "static" else rule
        config = settings(source, folder / "model", renew, extra if renew else {})
        place = registry.fetch_version(registered, tracking_uri=config.tracking_uri)
        model = Model(folder=str(place), name=registered.name, version=registered.version)
        run_scoring(config, model=model)
        shown, false = measure(outcome(config, model), static)
        static = false if static is None else static
        cells = [*(f"{each:.2%}" for each in shown[:2]), *(f"{each:.2f}" for each in shown[2:5])]
        cells += [f"{shown[5]:.0%}", f"{shown[6]:.2f}", f"{shown[7]:.0%}"]
        print(f"| {' | '.join([source.name, rule, *cells])} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--rules", nargs="*", default=["1d"], help="values of [calibration] renew")
    for name in ("renew-from", "renew-within", "accept-after"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--to", type=Path)
    asked = parser.parse_args()
    within = None if asked.renew_within is None else float(asked.renew_within)
    extra = {"renew_from": asked.renew_from, "accept_after": asked.accept_after}
    extra = {name: each for name, each in {**extra, "renew_within": within}.items() if each}
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    for each in asked.data:
        kept = nullcontext(asked.to) if asked.to else tempfile.TemporaryDirectory()
        with kept as name:
            folder = Path(name) / each.name
            (folder / "model").mkdir(parents=True)
            compare(each.resolve(), folder, asked.rules, extra)


if __name__ == "__main__":
    main()
