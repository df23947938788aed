"""One series of a data frame as lines: its score, flagged stretches and blamed columns.

The number of points does not depend on the number of rows: the smallest and the largest value of
each pixel column are kept, and only these rows go through the network again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Float64, Int64
from aedetect.errors import DataError, NoData
from aedetect.events.description import plain_number
from aedetect.figures.frame_plot import SeriesPlot
from aedetect.jobs.expected_around import expect_around, prepare_around
from aedetect.report.cards import ColumnLine
from aedetect.report.lines import Line, extremes
from aedetect.report.wording import clip
from aedetect.scoring import score_rows
from aedetect.scoring.frames import frame_table, table_rows
from aedetect.wording import list_some, plural

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.data import Rows
    from aedetect.detector import CalibratedScorer, Scored
    from aedetect.output.partitions import Span

PIXELS = 700  # columns of a figure: twice as many points a line, at most
_LEAST = 0.02  # share of the blame, for a column to be drawn
_MOST = 12  # blamed columns of a figure
_NAMED = 10  # entities in a message


def plot_lines(
    detector: CalibratedScorer,
    frame: pd.DataFrame,
    *,
    entity: str | None,
    span: Span,
    columns: int | Sequence[str],
) -> SeriesPlot:
    """Return one series of a frame as lines; without an entity, the most anomalous one.

    Raises SchemaMismatch for a frame that does not fit, NoData when no row lies in the span, and
    DataError for an entity or column that is not there.
    """
    schema = detector.scorer.schema
    rows, _ = table_rows(schema, frame_table(schema, frame))
    scored = score_rows(detector, rows, np.ones(len(rows), dtype=np.bool_))
    asked = _within(rows, span)
    if not asked.any():
        raise NoData("there are no rows with a timestamp in the time that is drawn")
    code = _entity_code(detector, rows, scored, asked, entity)
    flagged = np.zeros(len(rows), dtype=np.bool_)
    flagged[scored.flagged] = True
    own = np.flatnonzero((rows.entity == code) & ~rows.duplicates)
    shown = asked[own]
    time, hits = rows.time[own], flagged[own] & shown
    return SeriesPlot(
        title=_title(rows.names[code], int(hits.sum()), int(shown.sum())),
        scores=_scores(detector, rows.take(own[shown]), scored.score[own[shown]].astype(float)),
        columns=tuple(
            _columns(detector, rows.take(own), hits=hits, shown=shown, names=columns,
                     blame=_blame(scored, own[hits]))
        ),
        **dict(zip(("begin", "end"), _stretches(time[shown], hits[shown]), strict=True)),
    )  # fmt: skip


def _within(rows: Rows, span: Span) -> Bool:
    inside = np.ones(len(rows), dtype=np.bool_)
    if span.since is not None:
        inside &= rows.time >= span.since
    if span.until is not None:
        inside &= rows.time < span.until
    return inside


def _entity_code(
    detector: CalibratedScorer, rows: Rows, scored: Scored, asked: Bool, entity: str | None
) -> int:
    """Return the code of the entity that is drawn: that with the rarest row, then most flags."""
    if entity is not None:
        if detector.scorer.schema.entity is None:
            raise DataError(f"the detector knows no entities, got {entity!r}: leave entity out")
        if entity not in rows.names:
            names = list_some([str(each) for each in rows.names], most=_NAMED)
            raise DataError(f'the frame has no rows of the entity "{entity}", but of {names}')
        return rows.names.index(entity)
    count = len(rows.names)
    rarest = np.full(count, np.inf)
    known = asked & ~np.isnan(scored.p_value)
    np.minimum.at(rarest, rows.entity[known], scored.p_value[known])
    hits = scored.flagged[asked[scored.flagged]]
    flags = np.bincount(rows.entity[hits], minlength=count)
    has_rows = np.bincount(rows.entity[asked], minlength=count) > 0
    return int(np.lexsort((-flags, rarest, ~has_rows))[0])


def _title(name: str | None, flagged: int, rows: int) -> str:
    share = f" ({plain_number(100 * flagged / rows)} %)" if flagged else ""
    who = "all rows" if name is None else clip(name, most=80)
    return f"{who}: {plural(flagged, 'row')} flagged{share} of {rows:,}"


def _scores(detector: CalibratedScorer, rows: Rows, score: Float64) -> Line:
    kept = extremes(rows.time, score, most=PIXELS)
    codes = detector.scorer.preparation.entity_codes(rows)[kept]
    threshold = detector.calibration.thresholds(codes)
    return Line(time=rows.time[kept], values={"score": score[kept], "threshold": threshold})


def _stretches(time: Int64, flagged: Bool) -> tuple[Int64, Int64]:
    """Return begin and end of flagged stretches; those less than a pixel apart are one.

    >>> time = np.arange(6) * 1_000
    >>> first, last = _stretches(time, np.array([1, 1, 0, 0, 1, 0], bool))
    >>> first.tolist(), last.tolist()
    ([0, 4000], [1000, 4000])
    """
    at = np.flatnonzero(flagged)
    pixel = (time[-1] - time[0]) // PIXELS
    apart = (np.diff(at) > 1) & (np.diff(time[at]) > pixel)
    first = np.concatenate([at[:1], at[1:][apart]])
    last = np.concatenate([at[:-1][apart], at[-1:]])
    return time[first], time[last]


def _blame(scored: Scored, rows: Int64) -> Float64:
    """Return the share of each feature in what some flagged rows are blamed for: (F,)."""
    own = np.maximum(scored.blamed[np.searchsorted(scored.flagged, rows)].astype(float), 0)
    whole = own.sum(axis=1, keepdims=True)
    shares: Float64 = np.divide(own, whole, out=np.zeros_like(own), where=whole > 0).sum(axis=0)
    return shares


def _columns(
    detector: CalibratedScorer,
    rows: Rows,
    *,
    hits: Bool,
    shown: Bool,
    names: int | Sequence[str],
    blame: Float64,
) -> Iterator[ColumnLine]:
    """Yield the columns that are drawn, of rows of one entity: those most to blame first."""
    features = detector.scorer.schema.features
    drawable = [at for at, each in enumerate(features) if not each.is_text]
    places = np.flatnonzero(shown)
    around = prepare_around(detector, rows)
    cells = rows.values  # noqa: PD011 - not those of a DataFrame
    kept = {
        at: places[extremes(rows.time[places], cells[places, at], most=PIXELS)]
        for at in _chosen(detector, drawable, names, blame)
    }
    if not kept:
        return
    chosen = np.unique(np.concatenate(list(kept.values())))
    expected, low, high = expect_around(detector, around, chosen, hits[chosen])
    for at, own in kept.items():
        place = np.searchsorted(chosen, own)
        bands = {"expected": expected, "low": low, "high": high}
        values = {name: each[place, at] for name, each in bands.items()}
        line = Line(time=rows.time[own], values={"observed": cells[own, at], **values})
        yield ColumnLine(name=features[at].label, unit=None, line=line)


def _chosen(
    detector: CalibratedScorer,
    drawable: Sequence[int],
    names: int | Sequence[str],
    blame: Float64,
) -> list[int]:
    """Return the features that are drawn: named ones, or those most to blame."""
    if isinstance(names, int):
        ranked = sorted(drawable, key=lambda at: -blame[at])
        least = _LEAST * blame.sum()  # what has no part in it only takes room
        blamed = [at for at in ranked if blame[at] >= least] or ranked[:1]
        return blamed[: min(max(names, 0), _MOST)]
    asked = [names] if isinstance(names, str) else names
    labels = {detector.scorer.schema.features[at].label: at for at in drawable}
    labels |= {detector.scorer.schema.features[at].name: at for at in drawable}
    if unknown := [name for name in asked if name not in labels]:
        known = list_some(list(labels), most=_NAMED)
        raise DataError(
            f'"{unknown[0]}" is no numeric feature of the detector: give some of {known}'
        )
    return [labels[name] for name in asked]
