"""Detection by all measures that people use: python benchmarks/detection.py [DATA ...].

DATA are folders as in benchmarks/tasks.py, or with train_labels.parquet, as benchmarks/gecco.py
splits them; without any, the sample. All settings are the defaults, but for what a row of the
table names. The network is trained once per data set, seed, variant and backbone; for each score
its residuals are estimated and its threshold chosen anew. Mean over the seeds; one process and one
thread; CPU times.

--scores: default (as [calibration] has it), or names of scores, each with @N for smoothing over N
rows: mse mse@10.
--variants: name the variants, or all for each on each backbone.

The measures:
    VUS-PR, AP     ranking of rows: means over the entities with labelled rows
    met, rows      share of labelled stretches with a flagged row; of labelled rows flagged
    a day, a week  with the labels' help: every entity's score in units of its own threshold, one
                   cut for all, the lowest within one false event a day (a week) and entity
    normal         share of normal rows flagged
    default        at the threshold that calibration chose; false: false events a day and entity
    lost           missed there although the peak is above 99 % of the entity's normal rows
                   (threshold), or not (model)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import get_args

import gecco
import numpy as np
import torch
from quality import Quality, Truth, Verdict, average, measure
from scores import ScoreConfig, scored_by
from tasks import SAMPLE, Task, read_task

from aedetect.arrays import Float64, Int32
from aedetect.calibration.calibration import Calibration
from aedetect.calibration.settings import ScoreName
from aedetect.jobs import training
from aedetect.models.settings import BackboneName, VariantName
from aedetect.models.variants import BACKBONES, VARIANTS

HEADS = (
    *("data", "detector", "VUS-PR", "AP", "a day: met", "rows", "normal", "a week: met", "rows"),
    *("default: met", "rows", "false", "normal", "promised", "lost: threshold", "model"),
    *("training s", "rows/s"),
)
DEFAULT = "default"


@dataclass(frozen=True)
class Network:
    """A network to train."""

    variant: VariantName
    backbone: BackboneName

    def __str__(self) -> str:
        """Return its name in the table."""
        return f"{self.variant}, {self.backbone}"


def read(folder: Path, scratch: Path) -> Task:
    """Read a data set; one without later rows is split."""
    source = folder
    if (folder / gecco.LABELS).exists():
        source = gecco.write_split(folder, scratch / folder.name)
    rows = scratch / "rows"
    rows.mkdir()
    return read_task(source, rows)


def seeded(task: Task, network: Network, seed: int) -> Task:
    """Return the task with the settings of a network."""
    model = replace(task.config.model, variant=network.variant, backbone=network.backbone)
    settings = replace(task.config.training, seed=seed)
    return replace(task, config=replace(task.config, model=model, training=settings))


def way_of(text: str, task: Task) -> ScoreConfig:
    """Return the score, alignment and smoothing that a text names."""
    settings = task.config.calibration
    name, _, smooth = text.partition("@")
    return name, settings.alignment, int(smooth or 1)  # type: ignore[return-value]


def verdicts(task: Task, names: Sequence[str]) -> Iterator[tuple[str, Verdict]]:
    """Train once, and judge the later rows by each score."""
    begun = time.process_time()
    trained = training.train_scorer(task.config, task.ingested, task.prepared)
    taken = time.process_time() - begun
    for name in names:
        begun = time.process_time()
        scorer = trained.scorer
        if name != DEFAULT:
            scorer = scored_by(task, scorer, way_of(name, task))
        detector = training.calibrate_detector(
            task.config, task.ingested, task.prepared, replace(trained, scorer=scorer)
        )
        done = time.process_time()
        rows, judged = scorer.judge(task.later.series, np.ones(len(task.later.truth), np.bool_))
        seconds = time.process_time() - done
        entity = task.later.entity[rows]
        yield (
            name,
            Verdict(
                rows=rows,
                score=judged.score.astype(np.float64),
                threshold=detector.calibration.thresholds(entity),
                promised=promised(detector.calibration, entity),
                training=taken + done - begun,
                rate=len(rows) / seconds,
            ),
        )


def promised(calibration: Calibration, entity: Int32) -> Float64:
    """Return the share of normal rows that may be flagged, by entity: (N,) -> (N,)."""
    codes, place = np.unique(entity, return_inverse=True)
    own = [calibration.own.get(code, calibration).threshold.rate for code in codes.tolist()]
    return np.array(own)[place]


def row(data: str, name: str, found: Quality) -> str:
    """Return a row of the table."""
    cells = (
        *(f"{each:.3f}" for each in (found.vus_pr, found.precision)),
        *(f"{each:.0%}" for each in (found.met_a_day, found.rows_a_day)),
        f"{found.normal_a_day:.2%}",
        *(f"{each:.0%}" for each in (found.met_a_week, found.rows_a_week, found.met, found.rows)),
        f"{found.false:.2f}",
        *(f"{each:.2%}" for each in (found.normal, found.promised)),
        *(f"{each:.0%}" for each in (found.lost_by_threshold, found.lost_by_model)),
        f"{found.training:.0f}",
        f"{found.rate:,.0f}",
    )
    return f"| {data} | {name} | {' | '.join(cells)} |"


def compare(
    task: Task, name: str, networks: Sequence[Network], names: Sequence[str], seeds: Sequence[int]
) -> Iterator[str]:
    """Yield the rows of one data set."""
    later = task.later
    truth = Truth(later.truth, later.owner, later.days)
    for network in networks:
        found: dict[str, list[Quality]] = {each: [] for each in names}
        for seed in seeds:
            for each, verdict in verdicts(seeded(task, network, seed), names):
                found[each].append(measure(verdict, truth))
        for each, measured in found.items():
            yield row(name, f"{network}: {each}", average(measured))


def networks_of(task: Task, variants: Sequence[str] | None) -> list[Network]:
    """Return the networks to train: that of the defaults unless variants are named."""
    settings = task.config.model
    if not variants:
        return [Network(settings.variant, settings.backbone)]
    if list(variants) != ["all"]:
        return [Network(each, settings.backbone) for each in variants]  # type: ignore[arg-type]
    pairs = product(BACKBONES, VARIANTS)  # convolutional linear is the same as dense
    return [Network(v, b) for b, v in pairs if (v, b) != ("linear", "convolutional")]


def score_name(text: str) -> str:
    """Check the name of a score."""
    name, _, smooth = text.partition("@")
    if name not in {DEFAULT, *get_args(ScoreName)} or (smooth and not smooth.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text}: default, or NAME[@N] of {get_args(ScoreName)}")
    return text


def main(given: argparse.Namespace) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    for folder in given.data:
        with tempfile.TemporaryDirectory() as scratch:
            task = read(folder, Path(scratch))
            networks = networks_of(task, given.variants)
            for each in compare(task, folder.name, networks, given.scores, given.seeds):
                print(each, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", type=Path, default=[SAMPLE])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--scores", nargs="+", type=score_name, default=[DEFAULT])
    parser.add_argument("--variants", nargs="+", choices=["all", *VARIANTS])
    main(parser.parse_args())
