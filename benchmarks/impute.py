"""Imputation of hidden cells of the sample: python benchmarks/impute.py [--seeds 3].

Trains the detector of demo.toml, hides cells of unseen rows, and fills them with
`aedetect.applications.impute`, with linear interpolation in time (of the entity's own column;
at the ends the nearest value) and with the median of the entity's column. All three get the same
cells. Errors are in model units, in which columns are comparable: root mean square and
mean absolute, over columns that vary. A gap is a number of rows in a number of random columns.

held out: the calibration part of the training table, on which FADING and TURNS were tuned.
later: the second half, the table that is scored, on which nothing was tuned.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from aedetect.applications import impute_rows
from aedetect.arrays import Bool, Float64
from aedetect.config import read_config
from aedetect.data import Query, Rows, find_files, open_engine, read_rows
from aedetect.data.memmap import map_rows
from aedetect.detector import Scorer
from aedetect.jobs import dataset, fit_scorer
from aedetect.preprocessing import Part, split_by_time

CONFIG = Path(__file__).parents[1] / "demo.toml"
GAPS = ((1, 1), (1, 10), (1, 38), (5, 5), (10, 1), (10, 10), (10, 38), (60, 5), (240, 5))
HIDDEN = 0.05  # approximate share of rows in a gap
VARIES = 0.05  # model units; columns that vary less are omitted, because any method fills them


def learn(folder: Path) -> tuple[Scorer, Rows, Rows]:
    """Train on the sample; return the scorer, the held-out rows and the later rows."""
    config = read_config(CONFIG)
    ingested = dataset.ingest_rows(config, folder)
    prepared = dataset.prepare_rows(config, ingested, folder)
    scorer = fit_scorer.train_scorer(config, ingested, prepared).scorer
    parts = split_by_time(ingested.rows, holdout=config.calibration.holdout, gap=scorer.length)
    schema = scorer.schema
    query = Query.of(schema, find_files(config.input, timestamp=schema.timestamp).files)
    (folder / "later").mkdir()
    with open_engine(memory_mb=500, scratch=folder) as connection:
        batches = read_rows(connection, query)
        later = map_rows(batches, columns=len(schema.features), folder=folder / "later")
    return scorer, ingested.rows.take(parts == Part.CALIBRATE), later.rows


def by_entity(rows: Rows) -> Iterator[slice]:
    """Yield the rows of each entity."""
    first = np.flatnonzero(rows.starts)
    for start, end in zip(first, [*first[1:], len(rows)], strict=True):
        yield slice(start, end)


def hide(shape: tuple[int, ...], *, length: int, columns: int, seed: int) -> Bool:
    """Choose cells (R, F): gaps of `length` rows in `columns` random columns."""
    random = np.random.default_rng(seed)
    hidden = np.zeros(shape, dtype=np.bool_)
    for start in random.integers(length, shape[0] - 2 * length, int(shape[0] * HIDDEN / length)):
        chosen = random.choice(shape[1], columns, replace=False)
        hidden[start : start + length, chosen] = True
    return hidden


def interpolate(rows: Rows) -> Float64:
    """Fill the columns of each entity by linear interpolation."""
    values = rows.values.copy()
    for own in by_entity(rows):
        time = rows.time[own].astype(np.float64)
        for column in range(values.shape[1]):
            part = values[own, column]
            there = ~np.isnan(part)
            part[~there] = np.interp(time[~there], time[there], part[there])
    return values


def compare(scorer: Scorer, rows: Rows, *, length: int, columns: int, seed: int) -> Float64:
    """Return (3, 2): errors of median, interpolation and model; root mean square and absolute."""
    truth = scorer.preparation.transform(rows).matrix
    hidden = hide(truth.shape, length=length, columns=columns, seed=seed)
    for own in by_entity(rows):
        hidden[own] &= truth[own].std(axis=0) > VARIES
    holed = replace(rows, values=np.where(hidden, np.nan, rows.values))
    medians = rows.values.copy()
    for own in by_entity(rows):
        medians[own] = np.nanmedian(holed.values[own], axis=0)
    model = impute_rows(scorer, holed)
    filled = (medians, interpolate(holed), model.values)
    errors = []
    for values in filled:
        merged = np.where(hidden, values, rows.values)
        error = scorer.preparation.transform(replace(rows, values=merged)).matrix - truth
        errors.append((np.sqrt(np.mean(error[hidden] ** 2)), np.mean(np.abs(error[hidden]))))
    return np.array(errors)


def main() -> None:
    """Print one line per kind of gap."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    with tempfile.TemporaryDirectory(prefix="aedetect-") as folder:
        scorer, held_out, later = learn(Path(folder))
        print("part      rows x columns   root mean square: median  line  model   absolute: ...")
        for name, rows in (("held out", held_out), ("later", later)):
            for length, columns in GAPS:
                errors = np.mean(
                    [
                        compare(scorer, rows, length=length, columns=columns, seed=seed)
                        for seed in range(seeds)
                    ],
                    axis=0,
                )
                cells = "  ".join(f"{value:6.3f}" for value in (*errors[:, 0], *errors[:, 1]))
                print(f"{name:8}  {length:4} x {columns:2}   {cells}", flush=True)


if __name__ == "__main__":
    main()
