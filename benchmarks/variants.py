"""All variants on each backbone, compared with baselines: python benchmarks/variants.py [DATA ...].

DATA are folders with train.parquet and test.parquet; without any, the sample. All settings are the
defaults, and one model serves all entities of a data set; the baselines use the same scaled rows.
One process and one thread; times are CPU times.
VUS-PR and average precision are means over the entities with labelled rows. PyOD is not a
requirement: pip install pyod, or its autoencoder is omitted.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score
from tasks import SAMPLE, TOLERANCE, Task, read_task
from volume import vus_pr

from aedetect.jobs import fit_scorer
from aedetect.models.settings import BackboneName, VariantName
from aedetect.models.variants import BACKBONES, VARIANTS
from aedetect.preprocessing import Part

Score = Callable[[], npt.NDArray[np.floating[Any]]]


def ours(task: Task, variant: VariantName, backbone: BackboneName) -> Score:
    """Train a variant; return the function that scores the later rows."""
    model = replace(task.config.model, variant=variant, backbone=backbone)
    scorer = fit_scorer.train_scorer(
        replace(task.config, model=model), task.ingested, task.prepared
    ).scorer
    return lambda: task.later.scores(scorer)


def baselines(task: Task) -> Iterator[tuple[str, Callable[[], Score]]]:
    """Yield baselines on single rows: a name, and a function that trains it."""
    windows = task.prepared.windows[Part.LEARN]
    learn, later = windows.matrix[windows.ends], task.later.rows

    def pca() -> Score:
        fitted = PCA(max(1, learn.shape[1] // 4)).fit(learn)  # a quarter of the columns
        return lambda: np.square(later - fitted.inverse_transform(fitted.transform(later))).mean(
            axis=1
        )

    def forest() -> Score:
        fitted = IsolationForest(random_state=0).fit(learn)
        return lambda: -fitted.score_samples(later)

    def pyod() -> Score:
        from pyod.models.auto_encoder import AutoEncoder

        fitted = AutoEncoder(random_state=0, verbose=0, device="cpu")
        fitted.fit(learn)
        return lambda: fitted.decision_function(later)

    yield "PCA of rows", pca
    yield "isolation forest", forest
    if importlib.util.find_spec("pyod") is not None:
        yield "PyOD AutoEncoder", pyod


def measure(task: Task, name: str, train: Callable[[], Score]) -> str:
    """Train and score once; return a row of the table."""
    begun = time.process_time()
    score = train()
    trained = time.process_time()
    scores = score()
    done = time.process_time()
    later = task.later
    entity = later.entity[later.windows.ends]
    volumes, precisions = [], []
    for code in np.unique(entity):
        own = entity == code
        if later.label[own].any():
            volumes.append(vus_pr(later.label[own], scores[own], window=TOLERANCE))
            precisions.append(average_precision_score(later.label[own], scores[own]))
    rate = len(scores) / (done - trained)
    return (
        f"| {name} | {np.mean(volumes):.3f} | {np.mean(precisions):.3f} "
        f"| {trained - begun:.0f} | {rate:,.0f} |"
    )


def models(task: Task, variants: list[VariantName]) -> Iterator[tuple[str, Callable[[], Score]]]:
    """Yield the variants: a name, and a function that trains it."""
    for backbone, variant in product(BACKBONES, variants):
        if (variant, backbone) != ("linear", "convolutional"):  # the same as dense
            yield f"{variant}, {backbone}", partial(ours, task, variant, backbone)


def main(folders: list[Path], variants: list[VariantName]) -> None:
    """Print one table per data set."""
    torch.set_num_threads(1)
    for folder in folders:
        with tempfile.TemporaryDirectory() as scratch:
            task = read_task(folder, Path(scratch))
            shares = f"{len(task.later.label):,} rows, {task.later.label.mean():.1%} labelled"
            print(f"\n{folder.name}: {shares}\n\n| model | VUS-PR | AP | training s | rows/s |")
            print("|---|---|---|---|---|", flush=True)
            for name, train in (*baselines(task), *models(task, variants)):
                print(measure(task, name, train), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", type=Path, default=[SAMPLE])
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    given = parser.parse_args()
    main(given.data, given.variants)
