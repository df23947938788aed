"""The blamed columns of events over time: observed, expected and the normal band around it.

Only some events of a page are drawn, and of each at most `2 * MAX_COLUMNS` rows a column go through
the network. What was drawn before is taken from the cache of the output: then neither the input nor
the network is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.data import find_files
from aedetect.jobs.line_cache import (
    Lines,
    detector_digest,
    line_key,
    read_lines,
    write_lines,
)
from aedetect.report.cards import LEAST_SHARE, MAX_COLUMNS_DRAWN, Card, ColumnLine, window_of
from aedetect.scoring.input_cache import read_input_cache
from aedetect.scoring.loaded import cached_outline, calibration_at
from aedetect.scoring.schema_drift import admitted

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import SourceFile
    from aedetect.detector import Outline
    from aedetect.scoring import Model
    from aedetect.scoring.input_cache import InputCache


def add_column_lines(
    config: Config, model: Model, cards: Sequence[Card], *, period: int, drawn: int
) -> list[Card]:
    """Return the cards, the first ones with lines of their blamed columns.

    `period` is the time between rows (ns). Events that another model found have no such lines: it
    expected something else.
    """
    if not cards[:drawn]:
        return list(cards)
    outline = cached_outline(model.folder)
    schema = outline.schema
    known = read_input_cache(config.output, timestamp=schema.timestamp, step=schema.clock.step)
    found = find_files(
        config.input, timestamp=schema.timestamp, known=known.files, step=schema.clock.step
    )
    source, _ = admitted(found, schema)
    drawing = _Drawing(
        folder=model.folder,
        outline=outline,
        digest=detector_digest(Path(model.folder)),
        files=source.files,
        inputs=known,
        cache=read_lines(config.output),
        period=period,
        units=config.data.units,
    )
    first = [
        replace(card, columns=tuple(drawing.columns(card)))
        if (card.event.model_name, card.event.model_version) == (model.name, model.version)
        else card
        for card in cards[:drawn]
    ]
    write_lines(config.output, drawing.drawn, known=drawing.cache)
    return [*first, *cards[drawn:]]


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    """What the lines of events are drawn from, and those drawn so far."""

    folder: str
    outline: Outline
    digest: str  # of the detector
    files: Sequence[SourceFile]
    inputs: InputCache
    cache: Mapping[str, Lines]
    period: int  # ns
    units: Mapping[str, str]
    drawn: dict[str, Lines] = field(default_factory=dict)

    def columns(self, card: Card) -> Iterator[ColumnLine]:
        """Yield the lines of the blamed columns of an event."""
        features = {each.label: each.name for each in self.outline.schema.features}
        causes = [each for each in card.event.causes if each.feature in features]
        told = [each for each in causes if each.share >= LEAST_SHARE] or causes[:1]
        asked = [each.feature for each in told[:MAX_COLUMNS_DRAWN]]
        for name, line in self._lines(card, asked) if asked else ():
            yield ColumnLine(name=name, unit=self.units.get(features[name]), line=line)

    def _lines(self, card: Card, asked: Sequence[str]) -> Lines:
        since, until = window = window_of(card, period=self.period)
        start = since - _reach(self.outline)
        near = [
            f for f in self.files
            if f.times is not None and f.times.last >= start and f.times.first <= until
        ]  # fmt: skip
        if not near:
            return []
        about = [card.event.entity, card.start, card.end, *window, start, asked]
        about.append(calibration_at(self.folder, card.start))
        key = line_key(about, near, known=self.inputs, detector=self.digest)
        lines = None if key is None else self.cache.get(key)
        if lines is None:
            from aedetect.jobs.expected_around import draw_lines  # imports PyTorch

            lines = list(draw_lines(self.folder, card, near, asked, window=window, start=start))
        if key is not None:
            self.drawn[key] = lines
        return lines


def _reach(outline: Outline) -> int:
    """Return the time before a row in which rows affect what is expected of it (ns)."""
    schema = outline.schema
    reading = schema.longest_gap if schema.counts else 0
    return outline.longest * schema.longest_gap + outline.preparation.longest_limit + reading
