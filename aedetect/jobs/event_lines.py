"""The blamed columns of events over time: observed, expected and the normal band around it.

The output holds them for flagged rows only. So the rows around an event are read again from the
input, and the detector that flagged them says what it expects. Only some events of a page are
drawn, and of each at most `2 * MAX_COLUMNS` rows a column go through the network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int32, Int64
from aedetect.data import Query, Rows, find_files, open_engine, read_rows
from aedetect.data.scan import ENTITY, sql_literal
from aedetect.detector import Series
from aedetect.detector.ticks import ticks_of
from aedetect.explain import find_counterfactual
from aedetect.explain.expected_range import clip_to_training_range
from aedetect.preprocessing import positions
from aedetect.report.cards import LEAST_SHARE, MAX_COLUMNS_DRAWN, Card, ColumnLine, window_of
from aedetect.report.lines import Line, extremes
from aedetect.scoring.input_cache import read_input_cache
from aedetect.scoring.loaded import detector_at
from aedetect.scoring.schema_drift import admitted

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import SourceFile
    from aedetect.detector import CalibratedScorer, Scorer
    from aedetect.scoring import Model

_ENGINE_MB = 500
_MAX_CELLS = 20_000_000  # read around an event: 160 MB


class Around(NamedTuple):
    """The rows around an event as the detector takes them."""

    rows: Rows
    series: Series
    can: Bool  # (R,) rows with a window


def add_column_lines(
    config: Config, model: Model, cards: Sequence[Card], *, period: int, drawn: int
) -> list[Card]:
    """Return the cards, the first ones with lines of their blamed columns.

    `period` is the time between rows (ns). Events that another model found have no such lines: it
    expected something else.
    """
    if not cards[:drawn]:
        return list(cards)
    folder = model.folder
    schema = detector_at(folder, cards[0].start).scorer.schema
    cache = read_input_cache(config.output, timestamp=schema.timestamp, step=schema.clock.step)
    found = find_files(
        config.input, timestamp=schema.timestamp, known=cache.files, step=schema.clock.step
    )
    source, _ = admitted(found, schema)
    first = [
        replace(card, columns=tuple(_lines(config, folder, card, source.files, period=period)))
        if (card.event.model_name, card.event.model_version) == (model.name, model.version)
        else card
        for card in cards[:drawn]
    ]
    return [*first, *cards[drawn:]]


def _lines(
    config: Config, folder: str, card: Card, files: Sequence[SourceFile], *, period: int
) -> Iterator[ColumnLine]:
    detector = detector_at(folder, card.start)
    scorer = detector.scorer
    labels = [feature.label for feature in scorer.schema.features]
    causes = [each for each in card.event.causes if each.feature in labels]
    told = [each for each in causes if each.share >= LEAST_SHARE] or causes[:1]
    asked = [each.feature for each in told[:MAX_COLUMNS_DRAWN]]
    since, until = window_of(card, period=period)
    around = _read(detector, card, files, since=since, until=until) if asked else None
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
    units = config.data.units
    for name, at, own in zip(asked, columns, kept, strict=True):
        place = np.searchsorted(chosen, own)
        yield ColumnLine(
            name=name,
            unit=units.get(scorer.schema.features[at].name),
            line=Line(
                time=rows.time[own],
                values={
                    "observed": rows.values[own, at],
                    "expected": expected[place, at],
                    "low": low[place, at],
                    "high": high[place, at],
                },
            ),
        )


def _read(
    detector: CalibratedScorer, card: Card, files: Sequence[SourceFile], *, since: int, until: int
) -> Around | None:
    """Read the rows of the entity around an event; None when there are too many."""
    scorer, schema = detector.scorer, detector.scorer.schema
    start = since - _reach(scorer)
    near = [
        f for f in files
        if f.times is not None and f.times.last >= start and f.times.first <= until
    ]  # fmt: skip
    if not near:
        return None
    own = None if schema.entity is None else f"{ENTITY} = {sql_literal(str(card.event.entity))}"
    query = Query.of(schema, near, where=own, start=start, end=until + 1)
    parts: list[Rows] = []
    with (
        tempfile.TemporaryDirectory(prefix="aedetect-") as scratch,
        open_engine(memory_mb=_ENGINE_MB, threads=2, scratch=Path(scratch)) as connection,
    ):
        cells = 0
        for part in read_rows(connection, query):
            cells += part.values.size
            if cells > _MAX_CELLS:
                return None
            parts.append(part)
    return prepare_around(detector, _joined(parts, card.event.entity)) if parts else None


def _reach(scorer: Scorer) -> int:
    """Return the time before a row in which rows affect what is expected of it (ns)."""
    rows = scorer.length if scorer.long is None else max(scorer.length, scorer.long.sizes.length)
    reading = scorer.schema.longest_gap if scorer.schema.counts else 0
    return rows * scorer.schema.longest_gap + scorer.preparation.longest_limit + reading


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
