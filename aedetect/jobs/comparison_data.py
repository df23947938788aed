"""The data of a comparison: held-out rows, copies with injected anomalies, and labelled rows.

Prepared once, so that all variants are compared on the same data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64
from aedetect.data import Query, Rows, find_files, open_engine, read_rows
from aedetect.data.memmap import map_rows
from aedetect.detector import Series
from aedetect.detector.ticks import APART, GRID, TICKS
from aedetect.evaluation.ranking import InjectedRows
from aedetect.evaluation.synthetic_anomalies import (
    HeldOutRows,
    SyntheticAnomaly,
    altered_rows,
    column_std,
    plan_anomalies,
)
from aedetect.jobs.dataset import DATASET_MEMORY_MB, apply_in_batches
from aedetect.jobs.fit_scorer import series_of
from aedetect.jobs.injected_rows import altered_copy, rows_before, series_of_rows
from aedetect.preprocessing import Part, Preparation, Prepared, split_by_time
from aedetect.scoring.schema_drift import schema_mismatches
from aedetect.training import Ingested, PreparedRows

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.detector import Scorer

NORMAL_WINDOWS = 200_000  # at most, evenly spaced, compared with the injected rows
_BLOCK = GRID * TICKS
_MAX_STD_ROWS = 100_000  # rows per entity for the standard deviations


@dataclass(frozen=True)
class ComparisonBatch:
    """Rows in order (R,), and those among them to score: (N,) ascending."""

    series: Series
    rows: Int64

    def scores(self, scorer: Scorer) -> Float32:
        """Score the rows as they are scored later; one that cannot be is the least: (N,)."""
        asked = np.zeros(len(self.series.back), dtype=np.bool_)
        asked[self.rows] = True
        rows, judged = scorer.judge(self.series, asked)
        least = judged.score.min() if len(rows) else 0
        score = np.full(len(self.rows), least, dtype=np.float32)
        score[np.searchsorted(self.rows, rows)] = judged.score
        return score


@dataclass(frozen=True)
class Labelled:
    """Rows of the scoring input with a complete window, and which are anomalous: (N,)."""

    batch: ComparisonBatch
    truth: Bool


@dataclass(frozen=True, kw_only=True)
class ComparisonData:
    """All data that variants are compared on."""

    normal: ComparisonBatch
    altered: ComparisonBatch
    injected: InjectedRows  # of each altered window
    labelled: Labelled | None


def prepare_comparison(
    config: Config, ingested: Ingested, prepared: PreparedRows, scratch: Path
) -> ComparisonData:
    """Inject anomalies into copies of the calibration rows, and read the labelled rows."""
    rows, calibrate = ingested.rows, prepared.windows[Part.CALIBRATE]
    held_out = HeldOutRows(
        values=rows.values,
        entity=rows.entity,
        ends=calibrate.ends,
        std=_column_stds(config, ingested),
    )
    anomalies = plan_anomalies(held_out, seed=config.training.seed)
    series = series_of(ingested, prepared)
    altered, injected = prepare_injected(prepared.preparation, rows, series, held_out, anomalies)
    return ComparisonData(
        normal=ComparisonBatch(series, calibrate.thin(NORMAL_WINDOWS).ends),
        altered=altered,
        injected=injected,
        labelled=read_labelled(config, ingested, prepared.preparation, scratch),
    )


def prepare_injected(
    preparation: Preparation,
    rows: Rows,
    series: Series,
    held_out: HeldOutRows,
    anomalies: tuple[SyntheticAnomaly, ...],
) -> tuple[ComparisonBatch, InjectedRows]:
    """Prepare each anomaly in its own copy, after the rows before it: (P,) rows to score."""
    before = rows_before(rows, anomalies, width=series.matrix.shape[1]).tolist()
    copies = [
        _copy(preparation, rows, held_out, anomaly, rows_before)
        for anomaly, rows_before in zip(anomalies, before, strict=True)
    ]
    marks = [altered_rows(held_out, anomaly) for anomaly in anomalies]
    sizes = np.array([len(copy.matrix) for copy in copies])
    begins = np.cumsum(sizes) - sizes
    firsts = begins + before
    ends = [first + np.flatnonzero(mark) for first, mark in zip(firsts, marks, strict=True)]
    there = np.arange(sizes.sum()) - np.repeat(begins, sizes)
    origin = there + np.repeat([each.start for each in anomalies] - np.array(before), sizes)
    apart = Series(
        matrix=np.concatenate([copy.matrix for copy in copies]),
        observed=np.concatenate([copy.observed for copy in copies]),
        entity=np.concatenate([copy.entity for copy in copies]),
        back=np.minimum(series.back[origin], there),
        valid=np.ones(len(there), dtype=np.bool_),
        tick=_ticks(series.tick, [each.start for each in anomalies], before, sizes),
    )
    owner = np.repeat(np.arange(len(anomalies)), [mark.sum() for mark in marks])
    kinds = np.array([anomaly.kind for anomaly in anomalies])
    strengths = np.array([anomaly.strength for anomaly in anomalies])
    batch = ComparisonBatch(apart, np.concatenate(ends))
    return batch, InjectedRows(owner, kinds[owner], strengths[owner])


def _ticks(tick: Int64, starts: list[int], before: list[int], sizes: Int64) -> Int64:
    """Return the ticks of copies, with the distance that keeps means within a copy: (R,)."""
    found, begin = [], 0
    for start, back, size in zip(starts, before, sizes.tolist(), strict=True):
        own = tick[start - back : start - back + size]
        low = own[0] // _BLOCK * _BLOCK
        found.append(own - low + begin)
        begin += (int(own[-1] - low) // _BLOCK + 1) * _BLOCK + APART * TICKS
    return np.concatenate(found)


def read_labelled(
    config: Config, ingested: Ingested, preparation: Preparation, scratch: Path
) -> Labelled | None:
    """Read the labelled files of the scoring input; None when no row is labelled anomalous."""
    collected = _collect_labelled(config, ingested, scratch)
    if collected is None or not len(collected):
        return None
    rows = replace(collected, values=collected.values[:, :-1])
    matrix, observed, usable = apply_in_batches(preparation, rows, scratch)
    series = series_of_rows(
        rows,
        ingested.schema,
        matrix=matrix,
        observed=observed,
        entity=preparation.entity_codes(rows),
        usable=usable,
    )
    ends = np.flatnonzero((series.back >= config.window.length - 1) & observed.any(axis=1))
    truth = np.asarray(collected.values[ends, -1] > 0)
    return Labelled(ComparisonBatch(series, ends), truth) if truth.any() else None


def _collect_labelled(config: Config, ingested: Ingested, scratch: Path) -> Rows | None:
    """Return the ordered rows of the files with labels; the label is the last column."""
    label, schema = config.data.label, ingested.schema
    if label is None or not config.scoring.input:
        return None
    found = find_files(config.input, timestamp=schema.timestamp).files
    wrong = schema_mismatches(schema, found)
    files = [file for file in found if label in file.columns and file.name not in wrong]
    if not files:
        return None
    query = Query.of(schema, files, numbers=(label,))
    with open_engine(
        memory_mb=DATASET_MEMORY_MB, threads=2, scratch=scratch, files=files
    ) as connection:
        return map_rows(
            read_rows(connection, query), columns=len(query.categories), folder=scratch
        ).rows


def _copy(
    preparation: Preparation,
    rows: Rows,
    held_out: HeldOutRows,
    anomaly: SyntheticAnomaly,
    before: int,
) -> Prepared:
    """Prepare an anomaly and the rows before it, filled from earlier rows."""
    first = anomaly.start - before
    own = int(np.searchsorted(rows.entity, rows.entity[first]))
    oldest = rows.time[first] - preparation.longest_limit
    begin = own + int(np.searchsorted(rows.time[own:first], oldest))
    prepared = preparation.transform(altered_copy(rows, held_out, anomaly, begin=begin))
    here = slice(first - begin, None)
    return replace(
        prepared,
        matrix=prepared.matrix[here],
        observed=prepared.observed[here],
        entity=prepared.entity[here],
    )


def _column_stds(config: Config, ingested: Ingested) -> Float64:
    """Return the standard deviations of the training rows, 0 for text and booleans: (E, F)."""
    rows = ingested.rows
    parts = split_by_time(rows, holdout=config.calibration.holdout, gap=config.window.length)
    numbers = np.array([feature.kind == "number" for feature in ingested.schema.features])
    stds = np.zeros((len(rows.names), len(numbers)))
    first = np.append(np.flatnonzero(rows.starts), len(rows))
    for begin, end in pairwise(first.tolist()):
        learn = begin + np.flatnonzero(parts[begin:end] == Part.LEARN)
        if len(learn):
            step = max(1, len(learn) // _MAX_STD_ROWS)
            stds[rows.entity[begin]] = column_std(rows.values[learn[::step]])
    return np.where(numbers, stds, 0.0)
