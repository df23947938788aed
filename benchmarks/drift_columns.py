"""False alarms of columns on simulated quiet days: python benchmarks/drift_columns.py.

Every day moves the mean of each column by some standard deviations, and remembers half of the day
before; 144 rows of a day are counted. Entities are judged for months by the limits that so many
training days give: with twice the largest distance of them as the limit, and with the limits for
few days. Then one column moves by so many spreads: the days until it is named.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.stats import norm

from aedetect.arrays import Int64
from aedetect.drift.binning import BINS, stability_index
from aedetect.drift.experience import index_limits
from aedetect.drift.judgement import CellJudgement
from aedetect.drift.names import Names

ROWS, MONTH = 144, 30
MEMORY = 0.5  # of the day before


def counts_of(
    rng: np.random.Generator,
    days: int,
    entities: int,
    columns: int,
    *,
    spread: float,
    add: float = 0.0,
) -> Int64:
    """Counts of quiet days, whose means move by `spread`: (days, E, F, BINS)."""
    fresh = rng.normal(size=(days + 20, entities, columns)) * np.sqrt(1 - MEMORY**2)
    mean = spread * lfilter([1.0], [1.0, -MEMORY], fresh, axis=0)[20:] + add
    cuts = norm.ppf(np.arange(1, BINS) / BINS)
    below = norm.cdf(cuts - mean[..., None])
    edges = [np.zeros_like(below[..., :1]), below, np.ones_like(below[..., :1])]
    shares = np.diff(np.concatenate(edges, axis=-1))
    fair = np.maximum(shares, 0)
    return np.asarray(rng.multinomial(ROWS, fair / fair.sum(axis=-1, keepdims=True)))


def months(
    rng: np.random.Generator, asked: argparse.Namespace, *, learnt: int, spread: float, few: bool,
    above: bool, add: float = 0.0,
) -> Int64:  # fmt: skip
    """Return on which day each entity is named first, -1 if never: (E,)."""
    train = counts_of(rng, learnt, asked.entities, asked.columns, spread=spread)
    total = train.sum(axis=0)
    index = stability_index(train, (total - train).astype(float)).reshape(-1, asked.columns)
    group = np.tile(np.arange(asked.entities), learnt)
    rows = np.full(len(group), ROWS)
    known: Any = SimpleNamespace(rows=rows, complete=100, group=group, days=learnt)
    limit = index_limits(index, known) if few else np.maximum(2 * index.max(axis=0), 0.25)
    now = counts_of(rng, MONTH, asked.entities, asked.columns, spread=spread)
    if add:
        moved = counts_of(rng, MONTH, asked.entities, 1, spread=spread, add=add)
        now[:, :, :1] = moved
    psi = stability_index(now, total.astype(float))
    judgement, first = CellJudgement(names := Names()), np.full(asked.entities, -1)
    entity = np.repeat([f"{each}" for each in range(asked.entities)], asked.columns)
    names.codes(pd.Series(entity))
    scores_up = np.arange(asked.entities) if above else np.zeros(0, dtype=np.int64)
    cells = pd.DataFrame(
        {
            "entity": entity,
            "column": np.tile([f"c{each}" for each in range(asked.columns)], asked.entities),
            "rows": ROWS, "whole_day": 100, "missing": 0, "unseen": 0,
            "psi_limit": np.tile(limit, asked.entities), "missing_limit": 0.05,
        }
    )  # fmt: skip
    for day in range(MONTH):
        found = judgement.next_day(day, cells.assign(psi=psi[day].ravel()), scores_up)
        assert found is not None, "every day is whole"
        entities, columns, _ = judgement.parts(found.code)
        fresh = entities[columns == 0] if add else entities
        fresh = fresh[first[fresh] < 0]
        first[fresh] = day
    return first


def main() -> None:
    """Print entity-months with an alarm, in 1,000, and delays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=8)
    parser.add_argument("--columns", type=int, default=38)
    parser.add_argument("--repeats", type=int, default=60)
    asked = parser.parse_args()
    rules = {
        "before": (False, True),
        "scores up": (True, True),
        "scores as usual": (True, False),
    }
    for learnt in (5, 9, 14, 40):
        for spread in (0.2, 0.5):
            text = []
            for name, (few, above) in rules.items():
                rng = np.random.default_rng(learnt)
                given: dict[str, Any] = {"learnt": learnt, "spread": spread}
                given |= {"few": few, "above": above}
                quiet = [months(rng, asked, **given) for _ in range(asked.repeats)]
                share = np.mean(np.concatenate(quiet) >= 0)
                late = np.concatenate([months(rng, asked, **given, add=2.0) for _ in range(5)])
                days = np.median(np.where(late < 0, MONTH, late + 1))
                text.append(f"{name}: {1000 * share:.1f}, two spreads on day {days:.0f}")
            print(f"{learnt} days, means move by {spread}: {'; '.join(text)}", flush=True)


if __name__ == "__main__":
    main()
