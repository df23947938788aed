"""What others use, on the same prepared rows, their thresholds by the same held-out rows.

PCA, k-means and k-nearest look at windows of the default length, all columns of all rows at once;
the isolation forest and PyOD's AutoEncoder look at single rows. One model for all entities. PyOD is
not a requirement: pip install pyod, or its autoencoder is omitted.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from quality import Verdict
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from verdicts import promised

from aedetect.arrays import Float32, Float64, Int64
from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.calibration import Calibration
from aedetect.calibration.forecast import Timing
from aedetect.preprocessing import Part
from aedetect.preprocessing.windows import gather

if TYPE_CHECKING:
    from tasks import Task

Score = Callable[[Float32], Float64]  # (N, L) -> (N,), larger is more anomalous
Train = Callable[[Float32, int], Score]  # from windows, and a seed

LEARNT = 20_000  # windows at most that are learnt from, evenly spaced: they must fit into memory
BANK = 5_000  # of these, drawn, that others are compared with
NEIGHBOURS = 5
CENTRES = 20
VARIANCE = 0.9  # that the components of PCA keep
BATCH = 4_096  # windows


def pca(learn: Float32, seed: int) -> Score:
    """Score by the error of reconstruction."""
    fitted = PCA(VARIANCE, svd_solver="full", random_state=seed).fit(learn)
    return lambda rows: np.square(rows - fitted.inverse_transform(fitted.transform(rows))).mean(
        axis=1
    )


def k_means(learn: Float32, seed: int) -> Score:
    """Score by the distance to the nearest centre."""
    fitted = KMeans(CENTRES, n_init=1, random_state=seed).fit(learn)
    return lambda rows: fitted.transform(rows).min(axis=1)


def k_nearest(learn: Float32, seed: int) -> Score:
    """Score by the distance to the k-th nearest window learnt from."""
    count = min(BANK, len(learn))
    drawn = np.random.default_rng(seed).choice(len(learn), count, replace=False)
    bank = torch.from_numpy(learn[drawn])

    def score(rows: Float32) -> Float64:
        distances = torch.cdist(torch.from_numpy(rows), bank)
        return np.asarray(distances.topk(NEIGHBOURS, dim=1, largest=False).values[:, -1])

    return score


def forest(learn: Float32, seed: int) -> Score:
    """Score by how soon random cuts isolate a row."""
    fitted = IsolationForest(random_state=seed).fit(learn)
    return lambda rows: -fitted.score_samples(rows)


def pyod(learn: Float32, seed: int) -> Score:
    """Score by the error of PyOD's autoencoder, as it comes."""
    from pyod.models.auto_encoder import AutoEncoder

    fitted = AutoEncoder(random_state=seed, verbose=0, device="cpu")
    fitted.fit(learn)
    return lambda rows: np.asarray(fitted.decision_function(rows))


# Name, how it is trained, and whether it looks at windows.
PEERS: dict[str, tuple[Train, bool]] = {
    "PCA of windows": (pca, True),
    "k-means of windows": (k_means, True),
    "k-nearest windows": (k_nearest, True),
    "isolation forest": (forest, False),
    "PyOD AutoEncoder": (pyod, False),
}


def by_peers(task: Task, seed: int) -> Iterator[tuple[str, Verdict]]:
    """Train each peer, calibrate it, and judge the later rows."""
    for name, (train, on_windows) in PEERS.items():
        if name == "PyOD AutoEncoder" and importlib.util.find_spec("pyod") is None:
            continue
        yield name, _verdict(task, train, windows=on_windows, seed=seed)


def _verdict(task: Task, train: Train, *, windows: bool, seed: int) -> Verdict:
    begun = time.process_time()
    known, later = task.prepared.windows[Part.LEARN], task.later
    length = known.length if windows else 1
    ends = known.thin(LEARNT).ends if windows else known.ends
    score = train(_flat(known.matrix, ends, length), seed)
    calibration = _calibrate(task, partial(_in_batches, score, length=length))
    done = time.process_time()
    found = _in_batches(score, later.windows.matrix, later.windows.ends, length=length)
    seconds = time.process_time() - done
    entity = later.entity[later.windows.ends]
    return Verdict(
        rows=later.windows.ends,
        score=found,
        threshold=calibration.thresholds(entity),
        promised=promised(calibration, entity),
        training=done - begun,
        rate=len(found) / seconds,
    )


def _calibrate(task: Task, score: Callable[[Float32, Int64], Float64]) -> Calibration:
    """Choose thresholds as a detector's are chosen."""
    config, rows = task.config, task.ingested.rows
    held = task.prepared.windows[Part.CALIBRATE]
    return fit_calibration(
        HeldOut.of(
            score(held.matrix, held.ends),
            entity=rows.entity[held.ends],
            time=rows.time[held.ends],
        ),
        settings=config.calibration,
        timing=Timing.of(
            config.events,
            schema=task.ingested.schema,
            length=config.window.length,
            entities=rows.names,
        ),
        per_entity=bool(task.prepared.preparation.entities),
    )


def _in_batches(score: Score, matrix: Float32, ends: Int64, *, length: int) -> Float64:
    """Score the windows that end at some rows, in batches."""
    parts = [
        score(_flat(matrix, ends[start : start + BATCH], length))
        for start in range(0, len(ends), BATCH)
    ]
    return np.concatenate(parts).astype(np.float64)


def _flat(matrix: Float32, ends: Int64, length: int) -> Float32:
    """Return windows with their rows side by side: (N,) -> (N, T D)."""
    return gather(matrix, ends, length=length).reshape(len(ends), -1)
