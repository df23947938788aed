"""Cells far out in real data: python benchmarks/far_in_data.py [DATA ...].

DATA are folders as in benchmarks/tasks.py; without any, the sample. No network is trained: what the
column rules say by themselves. Into later rows of each entity (its longest unlabelled stretch, at
most 2,000 rows), each column is injected by itself at 10 to 100 standard deviations of the entity's
training rows, above or below their mean: one row, 30 rows, and the end of ramps of 16 and 60 rows.

    in range  share of columns and sizes that lie within the training range: normal rows held such
              values, so the size says nothing
    within 5  of the others, up to 5 standard deviations beyond the range, which no rule flags
    flagged   of the rest, share where the rules flag the row, or each of the rows, of that size
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import gecco
import numpy as np
from far_cells import KINDS
from tasks import SAMPLE, read_rows_with_label, read_training_rows

from aedetect.arrays import Bool, Float64, Int32, Int64
from aedetect.data import Rows, Schema
from aedetect.detector.rules import ColumnRules
from aedetect.detector.settings import RuleSettings
from aedetect.detector.training_ranges import TrainingRanges

SIZES = (10.0, 20.0, 50.0, 100.0)
ROWS = 2_000
MARGIN = 5.0


def chosen_rows(later: Rows, label: Bool) -> tuple[Int64, Int64]:
    """Return the rows of the longest unlabelled stretch of each entity, and one among them each."""
    rows, places, total = [], [], 0
    apart = later.starts | label | np.r_[False, label[:-1]]
    first = np.flatnonzero(apart)
    length = np.diff(np.append(first, len(later)))
    for code in np.unique(later.entity):
        own = np.flatnonzero(later.entity[first] == code)
        best = own[length[own].argmax()]
        stretch = first[best] + np.arange(min(length[best], ROWS))
        rows.append(stretch)
        places.append(total + len(stretch) * 3 // 4)
        total += len(stretch)
    return np.concatenate(rows), np.array(places)


def injected(values: Float64, place: Int64, target: Float64, kind: str) -> Float64:
    """Return the rows with a fault in every column that begins at each place: (R, F), (E, F)."""
    rise, lasting = KINDS[kind]
    changed = values.copy()
    for row, end in zip(place, target, strict=True):
        before = changed[row - rise : row]
        before += (np.arange(1, rise + 1) / (rise + 1))[:, None] * (end - before)
        changed[row : row + lasting] = end
    return changed


def report(name: str, train: Rows, later: Rows, label: Bool, schema: Schema) -> None:
    """Print a row for each size and kind."""
    rules = ColumnRules.fit(train, schema=schema, settings=RuleSettings(stuck="ignore"))
    learnt = TrainingRanges.of(train)
    first = np.flatnonzero(train.starts)
    count = np.diff(np.append(first, len(train)))
    mean = np.add.reduceat(np.nan_to_num(np.asarray(train.values)), first, axis=0) / count[:, None]
    known = {each: code for code, each in enumerate(train.names)}
    codes = np.array([known.get(each, -1) for each in later.names], dtype=np.int32)
    rows, place = chosen_rows(later, label)
    some = later.take(rows)
    entity: Int32 = codes[some.entity]
    some.values[:] = np.nan_to_num(some.values)
    own = entity[place]
    spread, low, high = learnt.spread[own], learnt.low[own], learnt.high[own]
    varies = spread > 0
    for size, kind in product(SIZES, KINDS):
        inside = near = found = rest = 0
        for sign in (1, -1):
            target = mean[own] + sign * size * spread
            beyond = np.maximum(target - high, low - target)
            is_in, is_near = (beyond <= 0) & varies, (beyond > 0) & (beyond <= MARGIN * spread)
            is_far = varies & ~is_in & ~is_near
            changed = replace(some, values=injected(some.values, place, target, kind))
            broken = rules.broken(changed, entity, schema) > 0
            lasting = KINDS[kind][1]
            flagged = np.stack([broken[each : each + lasting].all(axis=0) for each in place])
            inside, near = inside + int(is_in.sum()), near + int((is_near & varies).sum())
            found, rest = found + int((flagged & is_far).sum()), rest + int(is_far.sum())
        total = inside + near + rest
        print(
            f"| {name} | {size:.0f} | {kind} | {inside / total:.0%} | {near / total:.0%} "
            f"| {found / max(rest, 1):.1%} of {rest:,} |",
            flush=True,
        )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", type=Path, default=[SAMPLE])
    print("| data | size | kind | in range | within 5 | flagged |\n|---|---|---|---|---|---|")
    for source in parser.parse_args().data:
        with tempfile.TemporaryDirectory() as name:
            folder = source
            if (source / gecco.LABELS).exists():
                folder = gecco.write_split(source, Path(name) / source.name)
            scratch = Path(name) / "rows"
            scratch.mkdir()
            ingested = read_training_rows(folder, scratch)
            later, label = read_rows_with_label(folder, ingested.schema)
            report(source.name, ingested.rows, later, label, ingested.schema)


if __name__ == "__main__":
    main()
