"""The rows on which the gate compares two versions, and their verdicts on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64
from aedetect.data import Query, Rows, open_engine, read_rows
from aedetect.data.memmap import map_rows
from aedetect.errors import SchemaMismatch
from aedetect.evaluation.synthetic_anomalies import (
    HeldOutRows,
    SyntheticAnomaly,
    column_std,
    plan_anomalies,
)
from aedetect.jobs.dataset import DATASET_MEMORY_MB
from aedetect.jobs.injected_rows import altered_copy, rows_before, series_of_rows
from aedetect.jobs.table_clock import table_clock

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import Schema, Source
    from aedetect.detector import CalibratedScorer, Series

_MOST_ROWS, _MOST_CELLS = 50_000, 2_000_000  # the newest ones are compared
_STRENGTHS, _REPEATS = (2.0, 4.0), 30  # of injected anomalies, of each kind


@dataclass(frozen=True)
class Judged:
    """Verdicts on the rows at `ends` (N,); `broken`: whether a row breaks a column rule."""

    ends: Int64
    score: Float32
    p_value: Float64
    flagged: Bool
    broken: Bool

    def take(self, chosen: Bool | Int64) -> Judged:
        """Return the verdicts on some of the rows: (M,)."""
        return Judged(*(getattr(self, each.name)[chosen] for each in fields(self)))


def learnt_until(config: Config, detector: CalibratedScorer, trained_until: str | None) -> int:
    """Return the time of the last row that a version learnt from, in ns."""
    if trained_until is not None:
        return table_clock(config, detector.scorer.schema).parse(trained_until)
    return int(detector.calibration.held_out.time.min()) - 1


def newest_rows(schema: Schema, files: Source, *, since: int, before: int, scratch: Path) -> Rows:
    """Return the newest rows after a time, and those of `before` ns before them."""
    scratch.mkdir()
    rows = mapped_rows(Query.of(schema, files.files, start=since - before), scratch)
    most = most_rows(schema)
    after = np.sort(rows.time[rows.time >= since])
    start = int(after[-most]) if len(after) > most else since
    return rows.take(np.flatnonzero(rows.time >= start - before))


def mapped_rows(query: Query, scratch: Path) -> Rows:
    """Return the rows of a query, mapped from files in a folder."""
    width = max(len(query.categories), 1)
    with open_engine(
        memory_mb=DATASET_MEMORY_MB, threads=2, scratch=scratch, files=query.files
    ) as connection:
        return map_rows(read_rows(connection, query), columns=width, folder=scratch).rows


def most_rows(schema: Schema) -> int:
    """Return how many rows are judged at most: fewer of many columns."""
    return min(_MOST_ROWS, max(_MOST_CELLS // max(len(schema.features), 1), 1))


def check_columns(first: Schema, second: Schema) -> None:
    """Raise SchemaMismatch when two versions read different columns."""
    if set(first.names) != set(second.names):
        differ = ", ".join(sorted(set(first.names) ^ set(second.names)))
        raise SchemaMismatch(f"both versions must read the same columns, but differ in {differ}")


def prepared_series(detector: CalibratedScorer, rows: Rows) -> Series:
    """Prepare rows as scoring does."""
    preparation = detector.scorer.preparation
    pooled = detector.calibration.unseen == "pooled"
    prepared = preparation.transform(rows, unseen=pooled, mask=True)
    series = series_of_rows(
        rows,
        detector.scorer.schema,
        matrix=prepared.matrix,
        observed=prepared.observed,
        entity=prepared.entity,
        usable=prepared.usable,
    )
    return replace(
        series,
        valid=np.logical_not(prepared.infinite.any(axis=1)),
        masked=prepared.stale[:, preparation.owner],
    )


def judge_rows(detector: CalibratedScorer, rows: Rows, wanted: Bool) -> Judged:
    """Score wanted rows (R,) as scoring does, without causes."""
    scorer, calibration = detector.scorer, detector.calibration
    series = prepared_series(detector, rows)
    ends, evaluated = scorer.judge(series, wanted)
    own = series.entity[ends]
    broken = detector.broken_rules(rows, series.entity)[ends].any(axis=1)
    above = evaluated.score > calibration.thresholds(own)
    p_value = calibration.p_values(evaluated.score, own)
    return Judged(ends, evaluated.score, p_value, np.asarray(above | broken), np.asarray(broken))


def plan(rows: Rows, ends: Int64, schema: Schema, *, seed: int) -> tuple[SyntheticAnomaly, ...]:
    """Draw the anomalies to inject at some of the rows. Raises TooFewRows when none fits.

    Each strength has positions of its own: the anomalies are independent, as the interval of their
    difference takes them to be.
    """
    held_out = held_out_rows(rows, ends, schema)
    drawn = [
        plan_anomalies(
            held_out, seed=len(_STRENGTHS) * seed + number, strengths=(strength,), repeats=_REPEATS
        )
        for number, strength in enumerate(_STRENGTHS)
    ]
    return tuple(each for several in drawn for each in several)


def held_out_rows(rows: Rows, ends: Int64, schema: Schema) -> HeldOutRows:
    """Return rows as anomalies are injected in them; text columns are left alone."""
    numbers = np.array([not each.is_text for each in schema.features])
    std = np.zeros((len(rows.names), rows.values.shape[1]))
    first = np.flatnonzero(rows.starts)
    for begin, end in zip(first, np.append(first[1:], len(rows)), strict=True):
        std[rows.entity[begin]] = column_std(rows.values[begin:end])
    return HeldOutRows(
        values=rows.values, entity=rows.entity, ends=ends, std=np.where(numbers, std, 0.0)
    )


def judge_injected(
    detector: CalibratedScorer,
    rows: Rows,
    held_out: HeldOutRows,
    anomalies: tuple[SyntheticAnomaly, ...],
) -> Float64:
    """Return the smallest p-value in each injected anomaly, 1 where none was scored: (A,).

    It is 0 where a rule flags a row. Each is injected into its own copy of the rows.
    """
    before = rows_before(rows, anomalies, width=rows.values.shape[1])
    parts = [
        replace(
            altered_copy(rows, held_out, each, begin=each.start - back),
            entity=np.full(back + each.length, number, dtype=np.int32),
        )
        for number, (each, back) in enumerate(zip(anomalies, before.tolist(), strict=True))
    ]
    copies = Rows(
        time=np.concatenate([each.time for each in parts]),
        entity=np.concatenate([each.entity for each in parts]),
        names=tuple(rows.names[rows.entity[each.start]] for each in anomalies),
        values=np.concatenate([each.values for each in parts]),
    )
    place = np.arange(len(copies)) - np.flatnonzero(copies.starts)[copies.entity]
    judged = judge_rows(detector, copies, place >= before[copies.entity])
    smallest = np.ones(len(anomalies))
    p_value = np.where(judged.broken, 0.0, judged.p_value)
    np.minimum.at(smallest, copies.entity[judged.ends], p_value)
    return smallest


def smallest_inside(
    p_value: Float64, ends: Int64, anomalies: Sequence[SyntheticAnomaly]
) -> Float64:
    """Return the smallest p-value (N,) of the rows at `ends` that each alters: (A,), else 1."""
    first = np.searchsorted(ends, [each.start for each in anomalies])
    last = np.searchsorted(ends, [each.start + each.length for each in anomalies])
    spans = zip(first.tolist(), last.tolist(), strict=True)
    return np.array([p_value[start:stop].min(initial=1.0) for start, stop in spans])
