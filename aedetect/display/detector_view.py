"""A detector in a notebook: what it was trained on, what it promises, and its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aedetect.display.html import render
from aedetect.events.description import plain_number
from aedetect.report.wording import clip
from aedetect.timestamps import format_duration
from aedetect.wording import list_some, plural

if TYPE_CHECKING:
    from aedetect.data import Feature
    from aedetect.detector import CalibratedScorer

_COLUMNS, _ENTITIES, _NAME, _NOTES = 50, 8, 80, 20


def detector_html(detector: CalibratedScorer, *, notes: Sequence[str] = ()) -> str:
    """Return a detector as HTML: facts, notes, then a table of columns with their usual range."""
    features = detector.scorer.schema.features
    return render(
        "detector.html",
        facts=dict(_facts(detector)),
        notes=[clip(each) for each in notes[:_NOTES]],
        columns=[_column(each) for each in features[:_COLUMNS]],
        more=max(len(features) - _COLUMNS, 0),
    )


def _facts(detector: CalibratedScorer) -> Iterator[tuple[str, str]]:
    scorer, schema = detector.scorer, detector.scorer.schema
    calibration = detector.calibration
    network = f"{scorer.model.settings.network} autoencoder"
    yield "model", f"{network}, windows of {plural(scorer.length, 'row')}, score {scorer.score}"
    gap = format_duration(schema.max_gap)
    period, time = format_duration(schema.period), clip(schema.timestamp, most=_NAME)
    yield "rows", f'every {period}, by "{time}"; a gap above {gap} ends a series'
    names = [clip(str(each), most=_NAME) for each in scorer.preparation.entities]
    if schema.entity is not None:
        listed = list_some(names, most=_ENTITIES) or "scaled together"
        count = f"{len(names):,} known: " if names else ""
        yield f"series by {clip(schema.entity, most=_NAME)}", f"{count}{listed}"
    held = calibration.held_out.normal
    if len(held.time):
        since, until = (schema.clock.format(int(at)) for at in (held.time.min(), held.time.max()))
        yield "held out", f"{plural(len(held.time), 'row')}, {since} to {until}"
    yield "promise", _promise(detector)
    yield from (("note", clip(each)) for each in calibration.notes[:1])


def _promise(detector: CalibratedScorer) -> str:
    calibration = detector.calibration
    expected = calibration.forecast
    events = (
        f"; about {plain_number(expected.per_day)} events a day on normal rows "
        f"({plain_number(expected.low)} to {plain_number(expected.high)})"
        if expected.days
        else ""
    )
    promise = clip(calibration.promise.in_one_line(renewed=False))
    return f"{promise} ({calibration.threshold.method}){events}"


def _column(feature: Feature) -> dict[str, str]:
    if feature.is_text:
        usual = list_some([clip(each, most=_NAME) for each in feature.categories], most=4)
    elif feature.low is None or feature.high is None:
        usual = ""
    else:
        usual = f"{plain_number(feature.low)} to {plain_number(feature.high)}"
    return {"name": clip(feature.label, most=_NAME), "usual": usual}
