"""What a detector expects of the rows around an event, with the band that is normal there.

The output holds that for flagged rows only. So the rows around an event are read again from the
input, and the detector that flagged them says what it expects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int32, Int64
from aedetect.data import Query, Rows, open_engine, read_rows
from aedetect.data.scan import ENTITY, sql_literal
from aedetect.detector import Series
from aedetect.detector.ticks import ticks_of
from aedetect.explain import find_counterfactual
from aedetect.explain.expected_range import clip_to_training_range
from aedetect.output.scratch import temporary_folder
from aedetect.preprocessing import positions
from aedetect.report.lines import Line, extremes
from aedetect.scoring.loaded import detector_at

if TYPE_CHECKING:
    from aedetect.data import SourceFile
    from aedetect.detector import CalibratedScorer, Scorer
    from aedetect.report.cards import Card

_ENGINE_MB = 500
_MAX_CELLS = 20_000_000  # read around an event: 160 MB


class Around(NamedTuple):
    """The rows around an event as the detector takes them."""

    rows: Rows
    series: Series
    can: Bool  # (R,) rows with a window


def draw_lines(
    folder: str,
    card: Card,
    near: Sequence[SourceFile],
    asked: Sequence[str],
    *,
    window: tuple[int, int],
    start: int,
) -> Iterator[tuple[str, Line]]:
    """Yield a line for each column that is asked for, of the rows of an event within a window (ns).

    Rows from `start` on are read: those before the window that say what is expected in it. Nothing
    is yielded when there are too many.
    """
    detector = detector_at(folder, card.start)
    labels = [feature.label for feature in detector.scorer.schema.features]
    since, until = window
    around = _read(detector, card, near, start=start, until=until)
    if around is None:
        return
    rows = around.rows
    shown = np.flatnonzero((rows.time >= since) & (rows.time <= until))
    if not len(shown):
        return
    columns = [labels.index(name) for name in asked]
    kept = [shown[extremes(rows.time[shown], rows.values[shown, at])] for at in columns]
    chosen = np.unique(np.concatenate(kept))
    during = (rows.time[chosen] >= card.start) & (rows.time[chosen] <= card.end)
    expected, low, high = expect_around(detector, around, chosen, during)
    for name, at, own in zip(asked, columns, kept, strict=True):
        place = np.searchsorted(chosen, own)
        bands = {"expected": expected, "low": low, "high": high}
        values = {word: each[place, at] for word, each in bands.items()}
        yield name, Line(time=rows.time[own], values={"observed": rows.values[own, at], **values})


def _read(
    detector: CalibratedScorer, card: Card, near: Sequence[SourceFile], *, start: int, until: int
) -> Around | None:
    """Read the rows of the entity around an event; None when there are too many."""
    schema = detector.scorer.schema
    own = None if schema.entity is None else f"{ENTITY} = {sql_literal(str(card.event.entity))}"
    query = Query.of(schema, near, where=own, start=start, end=until + 1)
    parts: list[Rows] = []
    with (
        temporary_folder() as scratch,
        open_engine(memory_mb=_ENGINE_MB, threads=2, scratch=scratch, files=near) as connection,
    ):
        cells = 0
        for part in read_rows(connection, query):
            cells += part.values.size
            if cells > _MAX_CELLS:
                return None
            parts.append(part)
    return prepare_around(detector, _joined(parts, card.event.entity)) if parts else None


def _joined(parts: Sequence[Rows], entity: str | None) -> Rows:
    """Join batches of one entity, without rows that repeat a timestamp."""
    time = np.concatenate([each.time for each in parts])
    values = np.concatenate([each.values for each in parts])
    rows = Rows(time=time, entity=np.zeros(len(time), np.int32), names=(entity,), values=values)
    return rows.take(~rows.duplicates) if rows.duplicates.any() else rows


def prepare_around(detector: CalibratedScorer, rows: Rows) -> Around:
    """Prepare the rows of one entity, in order and without repeated timestamps."""
    scorer = detector.scorer
    pooled = detector.calibration.unseen == "pooled"
    prepared = scorer.preparation.transform(rows, unseen=pooled, mask=True)
    gaps = scorer.schema.max_gaps(rows)
    back = positions(rows.time, starts=rows.starts, usable=prepared.usable, max_gap=gaps)
    series = Series(
        matrix=prepared.matrix,
        observed=prepared.observed,
        entity=prepared.entity,
        back=back,
        valid=np.logical_not(prepared.infinite.any(axis=1)),
        tick=ticks_of(rows, scorer.schema),
        masked=prepared.stale[:, scorer.preparation.owner],
    )
    return Around(rows, series, scorer.covered(back) & series.valid)


def expect_around(
    detector: CalibratedScorer, around: Around, chosen: Int64, during: Bool
) -> tuple[Float64, Float64, Float64]:
    """Return expected, low and high of some rows in original units: (N,), (N,) -> (N, F) each.

    Rows `during` an event are compared with their normal counterpart, as the causes of flagged rows
    are; NaN where a row has no window.
    """
    scorer, series = detector.scorer, around.series
    can = around.can[chosen]
    inside = can & during & (scorer.alignment == "causal")
    made = np.full((len(chosen), len(scorer.preparation.owner)), np.nan, dtype=np.float32)
    plain = chosen[can & ~inside]
    if len(plain):
        made[can & ~inside] = scorer.expect(series, plain)
    if inside.any():
        made[inside] = find_counterfactual(scorer, series.matrix, series.entity, chosen[inside])
    limits = detector.calibration.limits_of(series.entity[chosen])
    center, low, high = (
        _in_units(scorer, made, sign * limits, series.entity[chosen]) for sign in (0.0, -1.0, 1.0)
    )
    return center, low, high


def _in_units(scorer: Scorer, made: Float32, limits: Float32, entity: Int32) -> Float64:
    """Return values of the model, moved by limits, in original units: (N, D) -> (N, F)."""
    preparation = scorer.preparation
    known = entity if preparation.entities else np.zeros_like(entity)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = preparation.inverse_transform(made.astype(np.float64) + limits, known)
    first = moved[:, preparation.first_columns]
    clipped: Float64 = clip_to_training_range(preparation.features, first)
    return clipped
