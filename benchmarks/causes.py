"""Causes against expert labels: python benchmarks/causes.py SMD [--variant V] [--seed N].

SMD is a folder with train.parquet, test.parquet and interpretation.parquet: for each labelled
segment the features that experts blamed. One model for all machines, all settings the defaults.

HitRate@P: the share of the k blamed features that are among the first ceil(P k) of an explainer;
Su et al.: Robust anomaly detection for multivariate time series (KDD 2019). Mean over
segments, for
    flagged   the rows of the segment that the threshold flags, of segments that have any
    peak      the row with the highest score
    event     the largest that each feature has in any flagged row, as events have them
    segment   the largest that each feature has in any row of the segment
and the 95 % interval of the difference to the counterfactual alone, by a paired bootstrap over
segments.

random is the expected value of a random order. z-score is the distance of the input from its mean,
without a model.
ARCANA: Roelofs et al.: Autoencoder-based anomaly root cause analysis (2021): a sparse
bias, found by gradient descent, with which the window is reconstructed well; blame is the bias of
the last row. The paper's alpha is 0.8.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from tasks import Task, read_task

from aedetect.arrays import Float32, Float64, Int64
from aedetect.detector import CalibratedScorer
from aedetect.detector.reconstruction import last_rows
from aedetect.explain import blame_features, find_counterfactual, weigh_causes
from aedetect.jobs import fit_scorer, training
from aedetect.preprocessing.windows import gather

Blame = Callable[
    [Int64], npt.NDArray[np.floating]
]  # windows (N,) -> (N, F), larger is more to blame
SHARES = (1.0, 1.5)  # P
STEPS, RATE = 300, 0.02  # of ARCANA's gradient descent
BATCH = 1_024  # windows per batch
VIEWS = ("flagged", "peak", "event", "segment")
DRAWS = 2_000  # of the bootstrap


@dataclass(frozen=True)
class Segment:
    """A labelled segment: its windows, the flagged ones, and the features that experts blamed."""

    windows: Int64
    flagged: Int64
    peak: int
    truth: Int64


def train(task: Task) -> tuple[CalibratedScorer, Float32]:
    """Train with the defaults; return the detector and the scores of the later windows."""
    trained = fit_scorer.train_scorer(task.config, task.ingested, task.prepared)
    detector = training.calibrate_detector(task.config, task.ingested, task.prepared, trained)
    return detector, task.later.scores(detector.scorer)


def segments(
    folder: Path, task: Task, detector: CalibratedScorer, score: Float32
) -> Iterator[Segment]:
    """Read the features that experts blamed; segments without a scored row are omitted."""
    preparation, ends = detector.scorer.preparation, task.later.windows.ends
    names = [feature.name for feature in preparation.features]
    flags = score > detector.calibration.thresholds(task.later.entity[ends])
    for each in pq.read_table(folder / "interpretation.parquet").to_pylist():
        code = preparation.entities.index(each["entity"])
        begin = int(np.flatnonzero(task.later.entity == code)[0])
        inside = (ends >= begin + each["start"]) & (ends <= begin + each["end"])
        own = np.flatnonzero(inside)
        if len(own):
            truth = np.array([names.index(name) for name in each["features"]])
            yield Segment(own, own[flags[own]], int(own[score[own].argmax()]), truth)


def explainers(task: Task, detector: CalibratedScorer) -> dict[str, Blame]:
    """Return the explainers by name; the first is the baseline."""
    scorer, later = detector.scorer, task.later
    matrix, seen, entity = later.windows.matrix, later.windows.observed, later.entity
    ends = later.windows.ends

    def residual(chosen: Int64) -> Float32:
        expected = last_rows(scorer.model, matrix, ends[chosen])
        squared: Float32 = (matrix[ends[chosen], : expected.shape[1]] - expected) ** 2
        return squared

    def standardized(chosen: Int64) -> Float32:
        expected = last_rows(scorer.model, matrix, ends[chosen])
        return blame_features(scorer, matrix, seen, expected, entity, ends[chosen])

    def counterfactual(chosen: Int64) -> Float32:
        expected = find_counterfactual(scorer, matrix, entity, ends[chosen])
        return blame_features(scorer, matrix, seen, expected, entity, ends[chosen])

    def ours(chosen: Int64) -> Float32:
        return weigh_causes(scorer, later.series, ends[chosen], counterfactual(chosen))[0]

    return {
        "counterfactual": counterfactual,
        "causes: with own values": ours,
        "squared residual": residual,
        "over its usual size": standardized,
        "ARCANA, alpha 0.8": partial(arcana, task, detector, 0.8),
        "ARCANA, alpha 0.5": partial(arcana, task, detector, 0.5),
        "z-score of the input": lambda chosen: np.abs(matrix[ends[chosen]]),
    }


def arcana(task: Task, detector: CalibratedScorer, alpha: float, chosen: Int64) -> Float32:
    """Return the size of the bias in the last row: (N,) -> (N, F)."""
    model, windows = detector.scorer.model, task.later.windows
    model.requires_grad_(requires_grad=False)
    found = []
    for start in range(0, len(chosen), BATCH):
        ends = windows.ends[chosen[start : start + BATCH]]
        values = torch.from_numpy(gather(windows.matrix, ends, length=windows.length))
        bias = torch.zeros_like(values, requires_grad=True)
        optimizer = torch.optim.Adam([bias], lr=RATE)
        for _ in range(STEPS):
            corrected = values + bias
            rest = (corrected - model(corrected)).square().sum()
            optimizer.zero_grad()
            torch.autograd.backward((1 - alpha) * rest + alpha * bias.abs().sum())
            optimizer.step()
        found.append(bias.detach()[:, -1].abs().numpy())
    return np.concatenate(found)


def hit_rate(blame: Float32, truth: Int64, share: float) -> Float64:
    """(N, F), (k,) -> (N,)."""
    first = np.argsort(-blame, axis=1, kind="stable")[:, : math.ceil(share * len(truth))]
    return np.asarray(np.isin(first, truth).sum(axis=1) / len(truth))


def hits(known: list[Segment], explain: Blame) -> Float64:
    """Return the hit rates of each segment: (S, 4, 2), NaN where nothing is flagged."""
    chosen = np.unique(np.concatenate([each.windows for each in known]))
    blame = explain(chosen)
    found = np.full((len(known), len(VIEWS), len(SHARES)), np.nan)
    for row, each in enumerate(known):
        own = blame[np.searchsorted(chosen, each.windows)]
        flagged, peak = (np.isin(each.windows, some) for some in (each.flagged, each.peak))
        whole = own[flagged].max(axis=0, keepdims=True, initial=0)[: int(flagged.any())]
        views = (own[flagged], own[peak], whole, own.max(axis=0, keepdims=True))
        for column, view in enumerate(views):
            if len(view):
                found[row, column] = [hit_rate(view, each.truth, p).mean() for p in SHARES]
    return found


def by_chance(known: list[Segment], features: int) -> Float64:
    """Return the expected hit rates of a random order: (S, 4, 2)."""
    counts = np.array([len(each.truth) for each in known])[:, None]
    rates = np.minimum(np.ceil(counts * np.array(SHARES)) / features, 1.0)
    found = np.repeat(rates[:, None], len(VIEWS), axis=1)
    unflagged = [not len(each.flagged) for each in known]
    found[unflagged, VIEWS.index("flagged")] = found[unflagged, VIEWS.index("event")] = np.nan
    return found


def row(name: str, found: Float64, base: Float64) -> str:
    """Return a row of the table."""
    random = np.random.default_rng(0)
    cells = []
    for view in range(found.shape[1]):
        own = ~np.isnan(found[:, view, 0])
        values, others = found[own, view], base[own, view]
        drawn = random.integers(0, len(values), (DRAWS, len(values)))
        for column in range(len(SHARES)):
            gain = (values - others)[:, column]
            low, high = np.quantile(gain[drawn].mean(axis=1), (0.025, 0.975))
            beside = f" ({low:+.3f} to {high:+.3f})" if gain.any() else ""
            cells.append(f"{values[:, column].mean():.3f}{beside}")
    return f"| {name} | {' | '.join(cells)} |"


def main(folder: Path, variant: str, seed: int) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        task = read_task(folder, Path(scratch))
        model = replace(task.config.model, variant=variant)  # type: ignore[arg-type]
        config = replace(task.config, model=model)
        config = replace(config, training=replace(config.training, seed=seed))
        task = replace(task, config=config)
        detector, score = train(task)
        known = list(segments(folder, task, detector, score))
        flagged = sum(bool(len(each.flagged)) for each in known)
        print(f"{variant}, seed {seed}: {len(known)} segments, {flagged} of them with flagged rows")
        heads = [f"{view} @{share:.0%}" for view in VIEWS for share in SHARES]
        print(f"\n| causes by | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}", flush=True)
        base = None
        for name, explain in explainers(task, detector).items():
            found = hits(known, explain)
            base = found if base is None else base
            print(row(name, found, base), flush=True)
        features = len(detector.scorer.preparation.features)
        print(row("random", by_chance(known, features), by_chance(known, features)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--variant", default="undercomplete")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.data, given.variant, given.seed)
