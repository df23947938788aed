"""Detection by all measures that people use: python benchmarks/detection.py [DATA ...].

DATA are folders as in benchmarks/tasks.py, or with train_labels.parquet, as benchmarks/gecco.py
splits them; without any, the sample. All settings are the defaults, but for what a row of the
table names. The network is trained once per data set, seed, variant and backbone; for each score
its residuals are estimated and its threshold chosen anew. Mean over the seeds; one process and one
thread; CPU times.

--scores: default (as [calibration] has it), or names of scores, each with @N for smoothing over N
rows and /RATE for a threshold by the share of rows: mse mse@10 mse/0.001. Without a name no network
is trained: the peers alone. A row is printed as soon as its seeds are through.
--variants: names of variants on --backbone, or all for each on each backbone.
--peers: also what others use, see benchmarks/peers.py.

The measures:
    VUS-PR, AP     ranking of rows: means over the entities with labelled rows
    met, rows      share of labelled stretches with a flagged row; of labelled rows flagged
    a day, a week  with the labels' help: every entity's score in units of its own threshold, one
                   cut for all, the lowest within one false event a day (a week) and entity
    normal         share of normal rows flagged
    default        at the threshold that calibration chose; false: false events a day and entity
    lost           missed there although the peak is above 99 % of the entity's normal rows
                   (threshold), or not (model)
    training s     with calibration; rows/s: of scoring
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import gecco
import torch
from peers import by_peers
from quality import Quality, Truth, average, measure
from tasks import SAMPLE, Task, read_task
from verdicts import DEFAULT, by_scores

from aedetect.calibration.settings import ScoreName
from aedetect.models.settings import BackboneName, VariantName
from aedetect.models.variants import BACKBONES, VARIANTS

HEADS = (
    *("data", "detector", "VUS-PR", "AP", "a day: met", "rows", "normal", "a week: met", "rows"),
    *("default: met", "rows", "false", "normal", "promised", "lost: threshold", "model"),
    *("training s", "rows/s"),
)


@dataclass(frozen=True)
class Network:
    """A network to train."""

    variant: VariantName | Literal["auto"]
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


def compare(task: Task, given: argparse.Namespace) -> Iterator[tuple[str, Quality]]:
    """Yield the mean over the seeds of each detector on one data set, as soon as it is known."""
    later = task.later
    truth = Truth(later.truth, later.owner, later.days)
    for network in networks_of(task, given.variants, given.backbone) if given.scores else ():
        found = [
            (f"{network}: {score}", measure(verdict, truth))
            for seed in given.seeds
            for score, verdict in by_scores(seeded(task, network, seed), given.scores)
        ]
        yield from averages(found)
    if given.peers:
        yield from averages(
            [
                (name, measure(verdict, truth))
                for seed in given.seeds
                for name, verdict in by_peers(task, seed)
            ]
        )


def averages(found: Sequence[tuple[str, Quality]]) -> Iterator[tuple[str, Quality]]:
    """Yield the mean of what was found of each name, in the order of their first."""
    for name in dict(found):
        yield name, average([each for other, each in found if other == name])


def networks_of(
    task: Task, variants: Sequence[VariantName] | None, backbone: BackboneName | None
) -> list[Network]:
    """Return the networks to train: that of the defaults unless variants are named."""
    settings = task.config.model
    backbone = backbone or settings.backbone
    if not variants:
        return [Network(settings.variant, backbone)]
    if list(variants) != ["all"]:
        return [Network(each, backbone) for each in variants]
    pairs = product(BACKBONES, VARIANTS)  # convolutional linear is the same as dense
    return [Network(v, b) for b, v in pairs if (v, b) != ("linear", "convolutional")]


def score_name(text: str) -> str:
    """Check the name of a score."""
    way, _, rate = text.partition("/")
    name, _, smooth = way.partition("@")
    numbers = (not smooth or smooth.isdecimal()) and (not rate or 0 < float(rate) < 1)
    if name not in {DEFAULT, *get_args(ScoreName)} or not numbers:
        known = get_args(ScoreName)
        raise argparse.ArgumentTypeError(f"{text}: default, or NAME[@N][/RATE] of {known}")
    return text


def main(given: argparse.Namespace) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    if given.peers and importlib.util.find_spec("pyod") is None:
        print("PyOD is not installed: its AutoEncoder is omitted\n")
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    for folder in given.data:
        with tempfile.TemporaryDirectory() as scratch:
            task = read(folder, Path(scratch))
            for name, found in compare(task, given):
                print(row(folder.name, name, found), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", type=Path, default=[SAMPLE])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--scores", nargs="*", type=score_name, default=[DEFAULT])
    parser.add_argument("--variants", nargs="+", choices=["all", *VARIANTS])
    parser.add_argument("--backbone", choices=list(BACKBONES))
    parser.add_argument("--peers", action="store_true")
    main(parser.parse_args())
