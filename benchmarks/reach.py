"""What thresholds lose, and where: python benchmarks/reach.py [DATA ...] [--seed N].

DATA are folders as in benchmarks/detection.py. The default detector; by its score in units of the
threshold of each entity, with the labels' help:

    by entity      false events a day at its threshold; the cut that would cost it one a day
    one cut        stretches met and labelled rows flagged within one false event a day (a week) and
                   entity, by one cut for all entities, as in detection.py, and for budgets beside
    own cuts       the same with a cut for each entity: what thresholds would reach that knew the
                   later rows
    spikes         share of the false events at the threshold that begin with a spike: the largest
                   change of a column from the row before is undone by more than half in the next
    longest        share of the labelled rows that the ten longest stretches hold
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from detection import Network, read, seeded
from incidents import count_false, cuts_within, events, met, stretches
from tasks import SAMPLE
from verdicts import DEFAULT, by_scores

from aedetect.arrays import Bool, Float64, grouped_rows

if TYPE_CHECKING:
    from tasks import Labelled, Task

BUDGETS = {"a day": 1.0, "a week": 1 / 7}
BESIDE = (0.9, 0.95, 1.05, 1.1)  # of a day's budget


def relative_score(task: Task, seed: int) -> Float64:
    """Return the score of the later rows in units of their thresholds: (R,), -inf without one."""
    settings = task.config.model
    network = Network(settings.variant, settings.backbone)
    (_, verdict), *_ = by_scores(seeded(task, network, seed), [DEFAULT])
    relative = np.full(len(task.later.truth), -np.inf)
    relative[verdict.rows] = verdict.score / np.maximum(verdict.threshold, 1e-300)
    return relative


def own_cuts(relative: Float64, later: Labelled, budget: float) -> Iterator[tuple[int, float]]:
    """Yield the cut of each entity that keeps a budget of false events a day."""
    daily = later.days / len(relative)
    for code, rows in grouped_rows(later.owner):
        cells = (relative[rows], later.truth[rows], later.owner[rows])
        yield code, cuts_within(*cells, budgets=[budget * daily * len(rows)])[0]


def found(flagged: Bool, later: Labelled) -> str:
    """Describe what flagged rows find."""
    hit = met(flagged, stretches(later.truth, later.owner)).mean()
    false = count_false(flagged, later.truth, later.owner) / later.days
    labelled, normal = flagged[later.truth].mean(), flagged[~later.truth].mean()
    return f"met {hit:.0%}, rows {labelled:.0%}, normal {normal:.2%}, false a day {false:.2f}"


def spikes(flagged: Bool, later: Labelled) -> str:
    """Count the false events that begin with a spike of one row."""
    matrix, undone, total = later.series.matrix[:, : later.series.observed.shape[1]], 0, 0
    for first, last in events(flagged, later.owner):
        if later.truth[first : last + 1].any() or not 0 < first < len(matrix) - 1:
            continue
        change = np.abs(matrix[first] - matrix[first - 1])
        column = int(change.argmax())
        left = abs(matrix[first + 1, column] - matrix[first - 1, column])
        undone, total = undone + int(left < change[column] / 2), total + 1
    return f"{undone} of {total} false events begin with a spike of one row"


def report(task: Task, folder: Path, seed: int) -> None:
    """Print what is found, by entity and in all."""
    later, relative = task.later, relative_score(task, seed)
    spans, names = stretches(later.truth, later.owner), task.ingested.rows.names
    sizes = np.sort(spans[:, 1] - spans[:, 0] + 1)
    print(f"the ten longest of {len(spans)} stretches hold {sizes[-10:].sum() / sizes.sum():.0%}")
    print(spikes(relative >= 1, later))
    print(f"at the threshold: {found(relative >= 1, later)}")
    for share in (*BUDGETS.values(), *BESIDE):
        cut = cuts_within(relative, later.truth, later.owner, budgets=[share * later.days])[0]
        print(f"one cut, {share:.2f} a day: {cut:.2f}, {found(relative >= cut, later)}")
    for name, budget in BUDGETS.items():
        cuts = dict(own_cuts(relative, later, budget))
        limits = np.array([cuts[code] for code in later.owner.tolist()])
        print(f"own cuts, one {name}: {found(relative >= limits, later)}")
    for code, own in own_cuts(relative, later, 1.0):
        rows = later.owner == code
        false = count_false(relative[rows] >= 1, later.truth[rows], later.owner[rows])
        daily = false * len(rows) / rows.sum() / later.days
        entity = names[code] if 0 <= code < len(names) else ""
        print(f"  {entity or folder.name}: {daily:.2f} false events a day, cut {own:.2f}")


def main() -> None:
    """Print the report of each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", type=Path, default=[SAMPLE])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for folder in given.data:
        print(f"\n{folder.name}", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            report(read(folder, Path(scratch)), folder, given.seed)


if __name__ == "__main__":
    main()
