"""The files that a detector learns from, and since when: `[training] window`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aedetect.data import find_files
from aedetect.data.unused import with_rows
from aedetect.errors import NoData
from aedetect.timestamps import format_instant, parse_duration

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import Source


@dataclass(frozen=True)
class TrainingSource:
    """Files to learn from; of their rows, those from `start` (ns) on; None: all."""

    source: Source
    start: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out, for people."""
        if self.start is None:
            return ()
        return (f"rows before {format_instant(self.start)} are older than [training] window",)


def all_sources(config: Config) -> Source:
    """Return the files to train on and the files to score, each once.

    Files to score are not there yet when a detector is set up. Raises NoData without any file.
    """
    places = config.train
    if config.scoring.input:
        with suppress(NoData):
            find_files(config.input, timestamp=config.data.timestamp)
            places = tuple(dict.fromkeys((*places, *config.input)))
    return with_rows(find_files(places, timestamp=config.data.timestamp))


def rows_to_compare(config: Config, *, since: int) -> Source:
    """Return the files on which versions are compared: those to score, if they hold enough rows.

    What a version was trained on may be what is wrong with it, also where it has not learnt it.
    """
    if config.scoring.input:
        with suppress(NoData):
            files = with_rows(find_files(config.input, timestamp=config.data.timestamp))
            later = (g.rows for file in files.files for g in file.groups if g.last >= since)
            if sum(later) >= config.promotion.min_rows:
                return files
    return all_sources(config)


def training_source(config: Config) -> TrainingSource:
    """Return what training learns from: with a window, the newest rows of all files.

    Without one, all rows of `[data] train`. Files that end before the window are left out.
    """
    if config.training.window is None:
        files = with_rows(find_files(config.train, timestamp=config.data.timestamp))
        return TrainingSource(files)
    found = all_sources(config)
    times = [file.times for file in found.files if file.times is not None]
    start = max((each.last for each in times), default=0) - parse_duration(config.training.window)
    if all(each.first >= start for each in times):
        return TrainingSource(found)
    recent = tuple(
        file for file in found.files if file.times is not None and file.times.last >= start
    )
    return TrainingSource(replace(found, files=recent), start)
