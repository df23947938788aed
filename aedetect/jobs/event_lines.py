"""The blamed columns of events over time: observed, expected and the normal band around it.

Only some events of a page are drawn, and of each at most `2 * MAX_COLUMNS` rows a column go through
the network. What was drawn before, such as by the run that found the event, is taken from the cache
of the output: then neither the input nor the network is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from aedetect.report.cards import (
    LEAST_SHARE,
    MAX_COLUMNS_DRAWN,
    Card,
    ColumnLine,
    window_of,
)
from aedetect.scoring.input_cache import read_input_cache
from aedetect.scoring.loaded import cached_outline, calibration_at
from aedetect.scoring.schema_drift import admitted

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import SourceFile
    from aedetect.detector import Outline
    from aedetect.scoring import Model
    from aedetect.scoring.input_cache import InputCache


@dataclass(frozen=True, kw_only=True)
class Undrawn:
    """An event whose lines are not in the cache."""

    card: Card
    near: Sequence[SourceFile]
    asked: Sequence[str]  # labels of features
    window: tuple[int, int]  # ns
    start: int  # ns, from where on rows are read


Draw = Callable[[str, Sequence[Undrawn]], Sequence[Lines]]  # with the folder of the detector


def add_column_lines(
    config: Config, model: Model, cards: Sequence[Card], *, period: int, drawn: int
) -> list[Card]:
    """Return the cards, the first ones with lines of their blamed columns.

    `period` is the time between rows (ns). Events that another model found have no such lines: it
    expected something else.
    """
    if not cards[:drawn]:
        return list(cards)
    drawing = _drawing(config, model, period)
    found = drawing.lines(cards[:drawn], draw_here, kept_only=False)
    write_lines(config.output, drawing.drawn, known=drawing.cache)
    first = [
        replace(card, columns=tuple(drawing.columns(lines)))
        for card, lines in zip(cards[:drawn], found, strict=True)
    ]
    return [*first, *cards[drawn:]]


def keep_column_lines(
    config: Config, model: Model, cards: Sequence[Card], *, period: int, draw: Draw
) -> int:
    """Draw the lines of events that are not in the cache yet; return how many were drawn."""
    drawing = _drawing(config, model, period)
    drawing.lines(cards, draw, kept_only=True)
    write_lines(config.output, drawing.drawn, known=drawing.cache)
    return len(drawing.drawn.keys() - drawing.cache.keys())


def draw_here(folder: str, undrawn: Sequence[Undrawn]) -> list[Lines]:
    """Draw in this process, which imports PyTorch for it."""
    return [draw_one(folder, each) for each in undrawn]


def draw_one(folder: str, undrawn: Undrawn) -> Lines:
    """Draw the lines of an event, with the detector in a folder."""
    from aedetect.jobs.expected_around import draw_lines

    window, start = undrawn.window, undrawn.start
    own = draw_lines(folder, undrawn.card, undrawn.near, undrawn.asked, window=window, start=start)
    return list(own)


def _drawing(config: Config, model: Model, period: int) -> _Drawing:
    outline = cached_outline(model.folder)
    schema = outline.schema
    known = read_input_cache(config.output, timestamp=schema.timestamp, step=schema.clock.step)
    found = find_files(
        config.input, timestamp=schema.timestamp, known=known.files, step=schema.clock.step
    )
    source, _ = admitted(found, schema)
    return _Drawing(
        model=model,
        outline=outline,
        digest=detector_digest(Path(model.folder)),
        files=source.files,
        inputs=known,
        cache=read_lines(config.output),
        period=period,
        units=config.data.units,
    )


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    """What the lines of events are drawn from, and those that are to be in the cache."""

    model: Model
    outline: Outline
    digest: str  # of the detector
    files: Sequence[SourceFile]
    inputs: InputCache
    cache: Mapping[str, Lines]
    period: int  # ns
    units: Mapping[str, str]
    drawn: dict[str, Lines] = field(default_factory=dict)

    def lines(self, cards: Sequence[Card], draw: Draw, *, kept_only: bool) -> list[Lines]:
        """Return the lines of each event, from the cache or drawn.

        With `kept_only`, those that cannot be kept are not drawn.
        """
        asked = [self._asked(card) for card in cards]
        keys = [None if each is None else self._key(each) for each in asked]
        found = [self.cache.get(key, []) if key else [] for key in keys]
        missing = {
            at: each
            for at, (key, each) in enumerate(zip(keys, asked, strict=True))
            if each is not None and key not in self.cache and not (kept_only and key is None)
        }
        drawn = draw(self.model.folder, list(missing.values())) if missing else ()
        for at, lines in zip(missing, drawn, strict=True):
            found[at] = lines
        self.drawn.update({k: lines for k, lines in zip(keys, found, strict=True) if k})
        return found

    def columns(self, lines: Lines) -> Iterator[ColumnLine]:
        """Yield lines with the units of their columns."""
        features = {each.label: each.name for each in self.outline.schema.features}
        for name, line in lines:
            yield ColumnLine(name=name, unit=self.units.get(features[name]), line=line)

    def _asked(self, card: Card) -> Undrawn | None:
        """Return what is to be drawn of an event; None when there is nothing."""
        if (card.event.model_name, card.event.model_version) != (
            self.model.name,
            self.model.version,
        ):
            return None
        features = {each.label for each in self.outline.schema.features}
        causes = [each for each in card.event.causes if each.feature in features]
        told = [each for each in causes if each.share >= LEAST_SHARE] or causes[:1]
        since, until = window = window_of(card, period=self.period)
        start = since - _reach(self.outline)
        near = [
            f for f in self.files
            if f.times is not None and f.times.last >= start and f.times.first <= until
        ]  # fmt: skip
        if not told or not near:
            return None
        asked = [each.feature for each in told[:MAX_COLUMNS_DRAWN]]
        return Undrawn(card=card, near=near, asked=asked, window=window, start=start)

    def _key(self, undrawn: Undrawn) -> str | None:
        card = undrawn.card
        times = card.start, card.end, *undrawn.window, undrawn.start
        about = [card.event.entity, *times, undrawn.asked]
        about.append(calibration_at(self.model.folder, card.start))
        return line_key(about, undrawn.near, known=self.inputs, detector=self.digest)


def _reach(outline: Outline) -> int:
    """Return the time before a row in which rows affect what is expected of it (ns)."""
    schema = outline.schema
    reading = schema.longest_gap if schema.counts else 0
    return outline.longest * schema.longest_gap + outline.preparation.longest_limit + reading
