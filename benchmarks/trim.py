"""Training data with anomalies among them: python benchmarks/trim.py GECCO2018 [--seeds 0 1 2].

GECCO2018 is a folder with train.parquet and train_labels.parquet: drinking water, a row a minute.
The rows up to UNTIL are used for training and calibration unchanged, including 14 labelled events
that are unknown to the models; the rows after it are scored. All other settings are the defaults.

    without    [training] trim = 0
    0.01       this share of the rows trimmed; the calibration part stays complete
    excluded   retrained, with trim = 0, on rows without the segments that `aedetect train`
               shows at trim = 0.01, as if each was pasted into [data] normal
    labels     retrained without the labelled rows: the upper bound

For each: how many of the labelled events among the training (or calibration) rows overlap the
suspect segments, all of them and those that are shown, and how many rows these have; then, on later
rows, average precision, VUS-PR, events found and false alarms at the threshold.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import torch
from gecco import split_rows
from sklearn.metrics import average_precision_score
from tasks import Task, read_task
from volume import vus_pr

from aedetect.arrays import Bool
from aedetect.cli.show_suspect_rows import _MAX_SHOWN
from aedetect.detector import CalibratedScorer
from aedetect.jobs import fit_scorer, training
from aedetect.models.settings import VariantName
from aedetect.training.suspect_rows import SuspectRows, normal_filter

TOLERANCE = 100  # rows around a labelled segment that VUS-PR averages over
MERGE_GAP = 5  # rows between flags of one event
SHARES = (0.005, 0.01, 0.02)
SHOWN_AT = 0.01
HEADS = (
    *("model", "seed", "trim", "events suspect", "of them shown", "rows"),
    *("AP", "VUS-PR", "threshold", "events found", "false alarms a day"),
)


@dataclass(frozen=True)
class Data:
    """The task, and the labelled events among its training rows: first and last timestamp."""

    task: Task
    events: list[tuple[pd.Timestamp, pd.Timestamp]]


def segments(marked: Bool, *, merge_gap: int = 1) -> list[tuple[int, int]]:
    """Return first and last position of each segment of marked rows."""
    rows = np.flatnonzero(marked)
    cuts = np.flatnonzero(np.diff(rows) > merge_gap)
    firsts, lasts = rows[np.append(0, cuts + 1)], rows[np.append(cuts, len(rows) - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True)) if len(rows) else []


def read(folder: Path, scratch: Path, *, where: str = "true") -> Data:
    """Write both parts in the format of the other benchmarks; SQL selects rows of the first."""
    known, later = split_rows(folder)
    for table in (known, later):
        table.insert(1, "entity", "plant")
    with duckdb.connect() as connection:
        connection.register("known", known)
        sql = f"SELECT * EXCLUDE is_anomaly FROM known WHERE {where} ORDER BY timestamp"
        connection.execute(sql).df().to_parquet(scratch / "train.parquet", index=False)
    later.to_parquet(scratch / "test.parquet", index=False)
    (scratch / "rows").mkdir()
    time = known["timestamp"].to_numpy()
    found = segments(known["is_anomaly"].to_numpy() > 0)
    return Data(
        read_task(scratch, scratch / "rows"),
        [(pd.Timestamp(time[first]), pd.Timestamp(time[last])) for first, last in found],
    )


def train(
    task: Task, *, variant: VariantName, seed: int, trim: float
) -> tuple[CalibratedScorer, tuple[SuspectRows, ...]]:
    """Train and calibrate; return the detector and the suspect segments."""
    model = replace(task.config.model, variant=variant)
    settings = replace(task.config.training, seed=seed, trim=trim)
    config = replace(task.config, model=model, training=settings)
    trained = fit_scorer.train_scorer(config, task.ingested, task.prepared)
    detector = training.calibrate_detector(config, task.ingested, task.prepared, trained)
    return detector, trained.suspect


def count_overlapping(
    events: list[tuple[pd.Timestamp, pd.Timestamp]], found: tuple[SuspectRows, ...]
) -> int:
    """Count the events that overlap any segment."""
    spans = [(pd.Timestamp(each.start), pd.Timestamp(each.end)) for each in found]
    return sum(any(a <= last and b >= first for a, b in spans) for first, last in events)


def suspect_cells(data: Data, found: tuple[SuspectRows, ...]) -> str:
    """Return table cells about the suspect segments."""
    if not found:
        return "- | - | -"
    count = len(data.events)
    overlapping, shown = (
        count_overlapping(data.events, part) for part in (found, found[:_MAX_SHOWN])
    )
    return f"{overlapping}/{count} | {shown}/{count} | {sum(each.rows for each in found)}"


def later(task: Task, detector: CalibratedScorer) -> str:
    """Return table cells about the detection on later rows."""
    label, score = task.later.label, task.later.scores(detector.scorer)
    threshold = detector.calibration.threshold.value
    flags, days = score > threshold, len(score) / 1_440
    events = segments(label)
    caught = sum(flags[first : last + 1].any() for first, last in events)
    false = segments(flags & ~label, merge_gap=MERGE_GAP)
    return (
        f"{average_precision_score(label, score):.3f} "
        f"| {vus_pr(label, score, window=TOLERANCE):.3f} | {threshold:.1f} "
        f"| {caught}/{len(events)} | {len(false) / days:.2f}"
    )


def rows(
    folder: Path, data: Data, unlabelled: Task, variant: VariantName, seed: int
) -> Iterator[str]:
    """Yield the rows of one model: for each share, and without the excluded rows."""
    shown: tuple[SuspectRows, ...] = ()
    for trim in (0.0, *SHARES):
        detector, found = train(data.task, variant=variant, seed=seed, trim=trim)
        yield f"{trim or 'without'} | {suspect_cells(data, found)} | {later(data.task, detector)} |"
        shown = found[:_MAX_SHOWN] if trim == SHOWN_AT else shown
    with tempfile.TemporaryDirectory() as scratch:
        left = read(folder, Path(scratch), where=normal_filter(shown, normal=None)).task
        for name, task in (("excluded", left), ("labels", unlabelled)):
            detector, _ = train(task, variant=variant, seed=seed, trim=0.0)
            yield f"{name} | - | - | - | {later(task, detector)} |"


def main(folder: Path, variants: list[VariantName], seeds: list[int]) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        data = read(folder, Path(first))
        unlabelled = read(folder, Path(second), where="is_anomaly = 0").task
        for variant, seed in product(variants, seeds):
            for row in rows(folder, data, unlabelled, variant, seed):
                print(f"| {variant} | {seed} | {row}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--variants", nargs="*", default=["undercomplete", "linear"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    given = parser.parse_args()
    main(given.data, given.variants, given.seeds)
