"""Whether labels of the held-out time choose better: python benchmarks/labels.py DATA [DATA ...].

DATA are folders as in benchmarks/tasks.py, or with train_labels.parquet, as benchmarks/gecco.py
splits them. The first half of the later rows of each entity joins the training rows, with its
labels, as their held-out time. Of each candidate of `auto`: what speaks for it, and VUS-PR and
average precision on the second half. One seed, one thread.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gecco
import numpy as np
import pandas as pd
import torch
from quality import Quality, Truth, Verdict, measure
from tasks import LABEL, Task, config_of, read_later

from aedetect.detector import Scorer
from aedetect.jobs import dataset, fit_scorer
from aedetect.jobs.choice import Evidence

HEADS = (
    *("data", "variant", "shapes", "injected", "labelled", "stretches", "merit"),
    *("later: VUS-PR", "AP"),
)


def write_halves(source: Path, to: Path) -> float:
    """Write the training rows with the first half of the later ones; return the share of these."""
    train, later = (pd.read_parquet(source / f"{name}.parquet") for name in ("train", "test"))
    by = [name for name in ("entity",) if name in later]
    later = later.sort_values([*by, "timestamp"], ignore_index=True)
    owner = later["entity"] if by else pd.Series(np.zeros(len(later)))
    rank = later.groupby(owner).cumcount()
    early = rank < later.groupby(owner)["timestamp"].transform("size") / 2
    train[LABEL], later[LABEL] = False, later[LABEL].astype(bool)
    to.mkdir()
    both = pd.concat([train, later[early]], ignore_index=True)
    both.to_parquet(to / "train.parquet", index=False)
    later[~early].to_parquet(to / "test.parquet", index=False)
    return float(early.sum() / len(both))


def read(folder: Path, scratch: Path) -> Task:
    """Read a data set, the first half of its later rows as the held-out time."""
    source = folder
    if (folder / gecco.LABELS).exists():
        source = gecco.write_split(folder, scratch / "split")
    share = write_halves(source, halves := scratch / folder.name)
    config = config_of(halves)
    config = replace(
        config,
        data=replace(config.data, label=LABEL),
        calibration=replace(config.calibration, holdout=min(share, 0.5)),
    )
    (rows := scratch / "rows").mkdir()
    ingested = dataset.ingest_rows(config, rows)
    prepared = dataset.prepare_rows(config, ingested, rows)
    return Task(config, ingested, prepared, read_later(halves, ingested, prepared))


def candidates(task: Task) -> Iterator[tuple[Scorer, Evidence]]:
    """Yield each candidate as it is when it is chosen, with what speaks for it."""
    config = task.config
    chosen = fit_scorer.train_scorer(config, task.ingested, task.prepared)
    for each in chosen.evidence:
        alone = replace(
            config,
            model=replace(config.model, variant=each.variant),
            calibration=replace(config.calibration, shapes=each.shapes),
        )
        yield fit_scorer.train_scorer(alone, task.ingested, task.prepared).scorer, each


def judge(task: Task, scorer: Scorer) -> Quality:
    """Measure the ranking of the later rows; thresholds do not matter here."""
    later = task.later
    rows, judged = scorer.judge(later.series, np.ones(len(later.truth), dtype=np.bool_))
    ones = np.ones(len(rows))
    verdict = Verdict(
        rows=rows, score=judged.score.astype(float), threshold=ones, promised=ones, training=0.0,
        rate=0.0,
    )  # fmt: skip
    return measure(verdict, Truth(later.truth, later.owner, later.days))


def main(given: argparse.Namespace) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    for folder in given.data:
        with tempfile.TemporaryDirectory() as scratch:
            task = read(folder, Path(scratch))
            for scorer, each in candidates(task):
                found = judge(task, scorer)
                labelled = "" if each.labelled is None else f"{each.labelled:.3f}"
                cells = (
                    *(folder.name, each.variant, f"{each.shapes:g}", f"{each.injected:.3f}"),
                    *(labelled, str(each.stretches), f"{each.merit:.3f}"),
                    *(f"{found.vus_pr:.3f}", f"{found.precision:.3f}"),
                )
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path)
    main(parser.parse_args())
