"""All scores, alignments and smoothings of one network: python benchmarks/scores.py [DATA ...].

DATA are folders as in benchmarks/tasks.py; without any, the sample. The network is trained once per
data set, with the default settings. VUS-PR and average precision (AP) are means over the entities
with labelled rows; "AP, all" is over all rows together, each score divided by the threshold of its
entity. At the default threshold: the share of flagged normal rows, of flagged labelled rows, and of
labelled segments found.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score
from tasks import SAMPLE, TOLERANCE, Task, read_task
from volume import vus_pr

from aedetect.arrays import Bool, Int32
from aedetect.calibration.settings import AlignmentName, ScoreName
from aedetect.detector import Scorer
from aedetect.detector.score_functions import PARTS
from aedetect.jobs import fit_scorer, training
from aedetect.jobs.residuals import learn_statistics

ALIGNMENTS: tuple[AlignmentName, ...] = ("causal", "centered")
SMOOTH = (1, 10)  # rows
HEAD = (
    "| score | alignment | smooth | VUS-PR | AP | AP, all | flagged | recall | found |\n"
    "|---|---|---|---|---|---|---|---|---|"
)

ScoreConfig = tuple[ScoreName, AlignmentName, int]


@dataclass(frozen=True)
class Quality:
    """Metrics of one score configuration on one data set."""

    vus_pr: float
    precision: float  # average precision, mean over the entities
    precision_all: float  # over all rows together
    false_alarms: float  # share of normal rows
    recall: float  # share of labelled rows
    found: float  # share of labelled segments

    def __str__(self) -> str:
        """Return cells of the table."""
        return (
            f"{self.vus_pr:.3f} | {self.precision:.3f} | {self.precision_all:.3f} "
            f"| {self.false_alarms:.2%} | {self.recall:.1%} | {self.found:.1%}"
        )


def scored_by(task: Task, scorer: Scorer, way: ScoreConfig) -> Scorer:
    """Return the scorer with another score configuration, its residuals fitted as in training."""
    score, alignment, smooth = way
    other = replace(scorer, score=score, alignment=alignment, smooth=smooth)
    series = fit_scorer.series_of(task.ingested, task.prepared)
    return learn_statistics(
        other,
        task.ingested.rows,
        series,
        task.prepared.windows,
        stride=task.config.window.stride,
    )


def measure(task: Task, trained: fit_scorer.Trained, way: ScoreConfig) -> Quality:
    """Calibrate one score configuration, and evaluate it on the later rows."""
    scorer = scored_by(task, trained.scorer, way)
    detector = training.calibrate_detector(
        task.config, task.ingested, task.prepared, replace(trained, scorer=scorer)
    )
    later = task.later
    asked = np.zeros(len(later.entity), dtype=np.bool_)
    asked[later.windows.ends] = True
    rows, judged = scorer.judge(later.series, asked)
    label = later.label[np.searchsorted(later.windows.ends, rows)]
    entity = later.entity[rows]
    threshold = detector.calibration.thresholds(entity)
    flagged = judged.score > threshold
    volumes, precisions = [], []
    for code in np.unique(entity[label]):
        own = entity == code
        volumes.append(vus_pr(label[own], judged.score[own], window=TOLERANCE))
        precisions.append(average_precision_score(label[own], judged.score[own]))
    return Quality(
        vus_pr=float(np.mean(volumes)),
        precision=float(np.mean(precisions)),
        precision_all=float(average_precision_score(label, judged.score / threshold)),
        false_alarms=float(flagged[~label].mean()),
        recall=float(flagged[label].mean()),
        found=_found(label, entity, flagged),
    )


def _found(label: Bool, entity: Int32, flagged: Bool) -> float:
    """Return the share of labelled segments with a flagged row."""
    starts = label & ~np.append(False, label[:-1] & (entity[1:] == entity[:-1]))
    segment = np.cumsum(starts)
    return float(len(np.unique(segment[label & flagged])) / starts.sum())


def ways(scores: Sequence[ScoreName]) -> list[ScoreConfig]:
    """Return all combinations."""
    return list(product(scores, ALIGNMENTS, SMOOTH))


def main(folders: list[Path], scores: Sequence[ScoreName]) -> None:
    """Print one table per data set, and the mean ranks over all of them."""
    torch.set_num_threads(1)
    ranks = []
    for folder in folders:
        with tempfile.TemporaryDirectory() as scratch:
            task = read_task(folder, Path(scratch))
            print(f"\n{folder.name}: {len(task.later.label):,} rows\n")
            print(HEAD, flush=True)
            trained = fit_scorer.train_scorer(task.config, task.ingested, task.prepared)
            volumes = []
            for way in ways(scores):
                quality = measure(task, trained, way)
                volumes.append(quality.vus_pr)
                print(f"| {' | '.join(map(str, way))} | {quality} |", flush=True)
            ranks.append(rankdata(-np.array(volumes)))
    if len(folders) > 1:
        print("\n| score | alignment | smooth | mean rank by VUS-PR |\n|---|---|---|---|")
        for way, rank in zip(ways(scores), np.mean(ranks, axis=0), strict=True):
            print(f"| {' | '.join(map(str, way))} | {rank:.1f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", type=Path, default=[SAMPLE])
    parser.add_argument("--scores", nargs="*", choices=list(PARTS), default=list(PARTS))
    given = parser.parse_args()
    main(given.data, given.scores)
