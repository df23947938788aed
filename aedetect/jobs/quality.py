"""Data quality before training, by column and by entity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int64
from aedetect.data import Rows
from aedetect.data.memmap import batches_of
from aedetect.detector.rules import MOST_ROWS, ColumnRules
from aedetect.detector.settings import RuleSettings
from aedetect.timestamps import NANOSECONDS, length_text, round_duration
from aedetect.wall_clock import WallClock
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.data import Schema
    from aedetect.training import Ingested

OK = "ok"
GAPS = "windows do not span them"
_NAMED = 8  # columns in a note
_MANY_MISSING = 0.05  # share of missing cells that is reported


@dataclass(frozen=True, kw_only=True)
class ColumnQuality:
    """The quality of one feature over the normal rows."""

    name: str
    kind: str
    missing: float  # share of cells
    infinite: int
    low: float | None
    mean: float | None
    high: float | None
    constant_in: int  # number of entities
    verdict: str


@dataclass(frozen=True, kw_only=True)
class EntityQuality:
    """The quality of one entity over the normal rows."""

    name: str | None
    rows: int
    first: str
    last: str
    gaps: int  # steps longer than max_gap
    longest_gap: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The quality report of the training data."""

    rows: int
    period: str
    max_gap: str
    columns: tuple[ColumnQuality, ...]
    entities: tuple[EntityQuality, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Statistics:
    """Per entity and column: (E, C)."""

    present: Int64
    infinite: Int64
    low: Float64
    high: Float64
    total: Float64


def assess(ingested: Ingested, *, length: int) -> Quality:
    """Assess ingested rows for windows of `length` rows."""
    rows, schema = ingested.rows, ingested.schema
    first = np.flatnonzero(rows.starts)
    slices = [slice(a, b) for a, b in zip(first, np.append(first[1:], len(rows)), strict=True)]
    statistics = _statistics(rows)
    gaps = schema.max_gaps(rows)[first].tolist()
    return Quality(
        rows=len(rows),
        period=_range(schema.spread(rows.names, "period")),
        max_gap=_range(schema.spread(rows.names, "max_gap")),
        columns=tuple(
            _column(ingested, statistics, index) for index in range(len(schema.features))
        ),
        entities=tuple(
            _entity(rows, piece, gap, length, schema.clock)
            for piece, gap in zip(slices, gaps, strict=True)
        ),
        notes=ingested.notes,
    )


def _length(nanoseconds: int) -> str:
    """Return a length of time for people, in hours rather than in hundreds of minutes.

    >>> _length(60 * NANOSECONDS["s"]), _length(580 * NANOSECONDS["min"])
    ('1min', '10h')
    """
    exact = round_duration(nanoseconds)
    if len(exact.rstrip("dhminsu")) < 3:  # noqa: PLR2004 - digits
        return exact
    return length_text(nanoseconds / NANOSECONDS["s"])


def _range(durations: Int64) -> str:
    """Return the shortest and the longest of some durations as text, one if they are equal."""
    low, high = (round_duration(int(each)) for each in (durations.min(), durations.max()))
    return low if low == high else f"{low} to {high}"


def rule_notes(
    rows: Rows, schema: Schema, settings: RuleSettings, *, per_entity: bool
) -> list[str]:
    """Return what column rules will flag, whatever the score."""
    learnt = ColumnRules.fit(
        rows, schema=schema, settings=settings, per_entity=per_entity, resting=False
    )
    names = np.array(schema.names, dtype=object)
    constant = names[~np.isnan(learnt.constant).all(axis=0)].tolist()
    texts = [each.name for each in schema.features if each.is_text and learnt.unseen_category]
    still = ~np.isnan(learnt.still).all(axis=0)
    moving = [each.kind == "number" and each.name not in constant for each in schema.features]
    said = [
        (constant, "constant in training: a change is an anomaly"),
        (texts, "text: a value not in training is an anomaly"),
        (
            names[still].tolist(),
            "stuck when the same for far longer than ever in training",
        ),
        (
            names[~np.isnan(learnt.far.margin).all(axis=0)].tolist(),
            "a value far beyond the training range is an anomaly",
        ),
    ]
    if settings.stuck == "flag":
        slow = names[np.array(moving) & ~still].tolist()
        said.append((slow, f"never stuck: that takes over {MOST_ROWS:,} rows at one value"))
    return [
        f"{list_some(map(_shown, listed), most=_NAMED)}: {text} ([rules])"
        for listed, text in said
        if listed
    ]


def _shown(name: str) -> str:
    """Return a column's name as a sentence shows it; a name may be empty."""
    return name or '""'


def _statistics(rows: Rows) -> _Statistics:
    """Compute statistics with one batch in memory at a time."""
    shape = len(rows.names), rows.values.shape[1]
    present, infinite = np.zeros((2, *shape), dtype=np.int64)
    low, high, total = np.full(shape, np.inf), np.full(shape, -np.inf), np.zeros(shape)
    for batch in batches_of(rows):
        values, first = np.asarray(batch.values), np.flatnonzero(batch.starts)
        own, finite = batch.entity[first], np.isfinite(values)
        least, most = np.where(finite, values, np.inf), np.where(finite, values, -np.inf)
        present[own] += np.add.reduceat(finite, first, axis=0, dtype=np.int64)
        infinite[own] += np.add.reduceat(np.isinf(values), first, axis=0, dtype=np.int64)
        low[own] = np.minimum(low[own], np.minimum.reduceat(least, first, axis=0))
        high[own] = np.maximum(high[own], np.maximum.reduceat(most, first, axis=0))
        total[own] += np.add.reduceat(np.where(finite, values, 0), first, axis=0)
    return _Statistics(present, infinite, low, high, total)


def _column(ingested: Ingested, statistics: _Statistics, index: int) -> ColumnQuality:
    feature, entities = ingested.schema.features[index], len(statistics.low)
    count = int(statistics.present[:, index].sum())
    infinite = int(statistics.infinite[:, index].sum())
    missing = 1 - (count + infinite) / len(ingested.rows)
    constant = int((statistics.low[:, index] == statistics.high[:, index]).sum())
    low: float | None = float(statistics.low[:, index].min())
    high: float | None = float(statistics.high[:, index].max())
    remarks = []
    silent = np.flatnonzero(statistics.present[:, index] == 0).tolist()
    if len(silent) == entities:
        low = high = None
        remarks.append("no value at all: nothing is learnt from it")
    elif silent:
        names = list_some((str(ingested.rows.names[each]) for each in silent), most=_NAMED)
        remarks.append(f"no value in {names}: none of its rows is trained on")
    if low is None or high is None:
        pass
    elif low == high:
        remarks.append("constant: any change is anomalous")
    elif constant:
        remarks.append(
            f"constant in {constant} of {entities} entities: any change there is anomalous"
        )
    if missing > _MANY_MISSING:
        remarks.append(f"{missing:.0%} missing")
    if infinite:
        remarks.append(f"{infinite} infinite values: such rows are neither trained on nor scored")
    numeric = not feature.is_text
    return ColumnQuality(
        name=feature.name,
        kind=feature.kind,
        missing=missing,
        infinite=infinite,
        low=low if numeric else None,
        mean=float(statistics.total[:, index].sum() / max(count, 1)) if numeric else None,
        high=high if numeric else None,
        constant_in=constant,
        verdict="; ".join(remarks) or OK,
    )


def _entity(rows: Rows, piece: slice, max_gap: int, length: int, clock: WallClock) -> EntityQuality:
    time = np.asarray(rows.time[piece])
    steps = np.diff(time)
    gaps = np.flatnonzero(steps > max_gap)
    runs = np.diff(np.concatenate([[0], gaps + 1, [len(time)]]))
    verdict = OK
    if len(time) < length:
        verdict = f"fewer rows than a window of {length}: not used in training"
    elif runs.max() < length:
        verdict = f"no {length} rows without a gap: raise [data] max_gap"
    elif len(gaps):
        verdict = f"{len(gaps)} gap{'s' * (len(gaps) > 1)}: {GAPS}"
    return EntityQuality(
        name=rows.names[rows.entity[piece.start]],
        rows=len(time),
        first=clock.format(int(time[0])),
        last=clock.format(int(time[-1])),
        gaps=len(gaps),
        longest_gap=_length(int(steps.max())) if len(steps) else "none",
        verdict=verdict,
    )
