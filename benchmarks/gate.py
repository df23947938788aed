"""Whom the gate stops: python benchmarks/gate.py --smd FOLDER [--machines 3 --to FOLDER].

A champion and honest trainings: three that differ in the seed alone, other variants, fewer epochs,
the newer half of the rows. And bad ones: shuffled columns, a short training, one on the anomalous
period. All on machines of the Server Machine Dataset; compared on the rows after those that either
version learnt, whose anomalies are labelled.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from aedetect import registry
from aedetect.config import Config, make_config
from aedetect.jobs.training import run_training

SHORT = 700  # rows of all machines


def anomalous(test: pd.DataFrame, *, until: pd.Timestamp) -> pd.DataFrame:
    """Return the labelled rows up to a time and as many on each side of them, as if normal."""
    early = test[test["timestamp"] < until]
    wide = early.groupby("entity")["is_anomaly"].transform(
        lambda each: (
            each[::-1].rolling(2_000, min_periods=1).max()[::-1].rolling(2_000, min_periods=1).max()
        )
    )
    return early[wide > 0].assign(is_anomaly=np.int8(0))


def shuffled(train: pd.DataFrame) -> pd.DataFrame:
    """Return rows in which every column is in an order of its own, by machine."""
    random = np.random.default_rng(0)
    changed = train.copy()
    names = train.columns.difference(["timestamp", "entity", "is_anomaly"])
    for place in train.groupby("entity").indices.values():
        for name in names:
            values = changed[name].to_numpy().copy()
            values[place] = random.permutation(values[place])
            changed[name] = values
    return changed


def cases(config: Config) -> Iterator[tuple[str, Config]]:
    """Yield the trainings after the champion's."""
    for name in ("shuffled", "anomalous", "short"):
        yield name, replace(config, data=replace(config.data, train=f"{name}.parquet"))
    for seed in (1, 2, 3):
        yield f"seed {seed}", replace(config, training=replace(config.training, seed=seed))
    yield "3 epochs", replace(config, training=replace(config.training, epochs=3))
    for variant in ("linear", "denoising", "variational", "sparse_l1"):
        yield variant, replace(config, model=replace(config.model, variant=variant))
    for name in ("newer half",):
        yield name, replace(config, data=replace(config.data, train=f"{name}.parquet"))


def main() -> None:
    """Print one line for each case and check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smd", type=Path, required=True)
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--to", type=Path, help="folder to keep; default: a temporary one")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = asked.to or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        train, test = (pd.read_parquet(asked.smd / f"{each}.parquet") for each in ("train", "test"))
        chosen = sorted(train["entity"].unique())[asked.first : asked.first + asked.machines]
        train, test = (each[each["entity"].isin(chosen)] for each in (train, test))
        train = train.assign(is_anomaly=np.int8(0))
        half = test["timestamp"].min() + (test["timestamp"].max() - test["timestamp"].min()) / 2
        train.to_parquet(folder / "train.parquet")
        test.to_parquet(folder / "test.parquet")
        shuffled(train).to_parquet(folder / "shuffled.parquet")
        last = train.groupby("entity").tail(SHORT // asked.machines)
        last.to_parquet(folder / "short.parquet")
        newer = train.groupby("entity").cumcount(ascending=False)
        most = train.groupby("entity")["timestamp"].transform("size")
        train[newer < most / 2].to_parquet(folder / "newer half.parquet")
        anomalous(test, until=half).to_parquet(folder / "anomalous.parquet")
        data = {"timestamp": "timestamp", "entity": "entity", "label": "is_anomaly"}
        given = {
            "detector": {"name": "gate"},
            "data": {"train": "train.parquet", **data},
            "scoring": {"input": "test.parquet", "output": "output"},
        }
        config = make_config(given, folder=folder)
        run_training(config)
        for case, changed in cases(config):
            _, registered = run_training(changed)
            found = registry.find_version(registered.reference, tracking_uri=config.tracking_uri)
            print(f"{case}: {found.tags['gate']}", flush=True)
            table = registry.read_run_text(
                found, "gate_against_1.json", tracking_uri=config.tracking_uri
            )
            for check, new, old, evidence, limit, _, text in json.loads(table or "{}")["data"]:
                figures = "".join(f"{each:9.3g}" for each in (new, old, evidence, limit))
                print(f"    {check:20}{figures}  {text}", flush=True)


if __name__ == "__main__":
    main()
