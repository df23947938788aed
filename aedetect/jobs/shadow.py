"""A challenger that scores beside the champion: `[promotion] shadow`.

It begins when a version passes all else that the gate asks for, and ends with the gate. Its output
is a folder of its own beside the champion's, which no command reads unless asked, and of which no
one is notified. What a run does follows from the tags of the challenger and from both outputs:
repeated, it does nothing; killed, the next run completes it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect import registry
from aedetect.errors import NoData, UnknownModel
from aedetect.evaluation.shadow import EventIntervals, ShadowEvents, count_events
from aedetect.events import EventRules, read_event_table, read_labels
from aedetect.events.labels import CONFIRMED
from aedetect.jobs.table_clock import shown_clock
from aedetect.logs import log_event
from aedetect.output.catalog import newest_files
from aedetect.output.partitions import SCORES, Span
from aedetect.registry.gate_record import GATE_PASSED, IN_SHADOW
from aedetect.registry.records import CHALLENGER, CHAMPION
from aedetect.registry.tags import set_version_tags
from aedetect.timestamps import NANOSECONDS, parse_duration, to_nanoseconds

if TYPE_CHECKING:
    from pathlib import Path

    from aedetect.config import Config
    from aedetect.registry import Registered

logger = logging.getLogger(__name__)
SINCE = "shadow_since"  # tag of a version: from when on it scores in shadow


def shadow_config(config: Config, version: int) -> Config:
    """Return the settings with which a version scores in shadow: its own model and output."""
    output = f"{config.scoring.output.rstrip('/')}-shadow/{version}"
    scoring = replace(config.scoring, model=f"{config.name}/{version}", output=output, strict=False)
    return replace(config, scoring=scoring)


def challenger(config: Config) -> Registered | None:
    """Return the version that scores in shadow, or is about to.

    None when there is none, or the settings do not ask for it.
    """
    if config.promotion.shadow is None:
        return None
    named = f"{config.name}@{CHALLENGER}"
    try:
        found = registry.find_version(named, tracking_uri=config.tracking_uri)
    except UnknownModel:
        return None
    waits = CHAMPION not in found.aliases and found.tags.get(GATE_PASSED) == IN_SHADOW
    return found if waits else None


def in_shadow(config: Config) -> Registered | None:
    """Return the challenger that scores in shadow, with the time of its begin as a tag."""
    found = challenger(config)
    if found is None or SINCE in found.tags:
        return found
    clock = shown_clock(config)
    newest = _end(config, config.output)
    if newest is None:
        return None
    log_event(logger, "shadow begins", version=found.reference, since=clock.iso(newest))
    return set_version_tags(found, {SINCE: clock.iso(newest)}, tracking_uri=config.tracking_uri)


def shadow_span(config: Config, version: Registered) -> Span:
    """Return the time from which on a version scores in shadow."""
    return Span(shown_clock(config).parse(version.tags[SINCE]))


def has_begun(config: Config, version: Registered) -> bool:
    """Whether the champion has scored rows of the time in shadow."""
    newest, since = _end(config, config.output), shadow_span(config, version).since
    return newest is not None and since is not None and newest > since


def is_over(config: Config, version: Registered) -> bool:
    """Whether a version has scored in shadow for as long as the settings ask."""
    return _days(config, version) >= needed_days(config)


def needed_days(config: Config) -> float:
    """Return the days that a version scores in shadow; 0 when the settings ask for none."""
    text = config.promotion.shadow
    return 0.0 if text is None else parse_duration(text) / NANOSECONDS["d"]


def compare_shadow(config: Config, version: Registered, *, max_gap: int) -> ShadowEvents:
    """Count the events that both versions have reported since the shadow began."""
    days = _days(config, version)
    if not days:
        return count_events(_NONE, _NONE, _NONE, days=0.0, apart=0)
    since = shadow_span(config, version).since
    assert since is not None
    until = since + round(days * NANOSECONDS["d"])
    tables = [
        _events(output, since, until)
        for output in (shadow_config(config, version.version).output, config.output)
    ]
    labels = [
        each
        for each in read_labels(config.output)
        if each.opinion == CONFIRMED and each.end >= since and each.start < until
    ]
    tables.append(
        pa.table(
            {
                "entity": pa.array([each.entity for each in labels], pa.string()),
                "start": pa.array([each.start for each in labels], pa.int64()),
                "end": pa.array([each.end for each in labels], pa.int64()),
            }
        )
    )
    new, old, confirmed = _coded(tables)
    apart = EventRules.of(config.events, max_gap=max_gap).merge_gap
    return count_events(new, old, confirmed, days=days, apart=apart)


_EMPTY = np.zeros(0, dtype=np.int64)
_NONE = EventIntervals(_EMPTY.astype(np.int32), _EMPTY, _EMPTY)


def _days(config: Config, version: Registered) -> float:
    """Return the days since the begin that both have scored."""
    if SINCE not in version.tags:
        return 0.0
    outputs = (config.output, shadow_config(config, version.version).output)
    ends = [_end(config, output) for output in outputs]
    since = shadow_span(config, version).since
    if since is None or any(end is None for end in ends):
        return 0.0
    return max(min(end for end in ends if end is not None) - since, 0) / NANOSECONDS["d"]


def _end(config: Config, output: Path) -> int | None:
    """Return the end (ns) of the newest partition; None without any."""
    newest = next(newest_files(output, SCORES), None)
    return None if newest is None else newest.partition.bounds(shown_clock(config))[1]


def _events(output: Path, since: int, until: int) -> pa.Table:
    """Return entity, start and end (ns) of the reported events that began in a time range."""
    try:
        table = read_event_table(output, since=since, until=until)
    except NoData:
        return pa.table({"entity": pa.array([], pa.string()), "start": _INTS, "end": _INTS})
    start, end = (to_nanoseconds(table[name]) for name in ("start", "end"))
    found = pa.table({"entity": pc.cast(table["entity"], pa.string()), "start": start, "end": end})
    return found.filter(pc.greater_equal(found["start"], since))


_INTS = pa.nulls(0, pa.int64())  # pa.array([]) would import pandas


def _coded(tables: list[pa.Table]) -> list[EventIntervals]:
    """Return events with common codes of their entities."""
    names = pa.concat_arrays([each["entity"].combine_chunks() for each in tables])
    encoded = names.dictionary_encode(null_encoding="encode")
    codes = np.asarray(encoded.indices.to_numpy(), dtype=np.int32)
    parts = np.split(codes, np.cumsum([len(each) for each in tables])[:-1])
    return [
        EventIntervals(code, each["start"].to_numpy(), each["end"].to_numpy())
        for code, each in zip(parts, tables, strict=True)
    ]
