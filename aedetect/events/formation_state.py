"""The flagged rows and events of an output, and whether the events are up to date.

Footers record the origin of each file and the rules by which its events were formed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from aedetect.data.rates import Rate
from aedetect.events.grouping import EventRules, own_rules
from aedetect.events.held import HELD_KEY
from aedetect.events.settings import EventSettings
from aedetect.events.withdrawn import read_withdrawn_marks
from aedetect.output import Origin, OutputFile, Partition, list_files
from aedetect.output.catalog import read_footers
from aedetect.output.partitions import EVENTS, FLAGGED, PartitionBy

MARK = b"aedetect.events"  # footer key of events/, and of flagged/ once events are formed


@dataclass(frozen=True, kw_only=True)
class Formation:
    """The settings by which events are formed."""

    detector: str  # part of every event id
    by: PartitionBy
    settings: EventSettings
    units: Mapping[str, str] = field(default_factory=dict)  # of features, for the descriptions
    rates: tuple[Rate, ...] = ()  # of entities that are sampled at another rate than most
    precision: float | None = None  # share of reported events that are to be real

    def rules_of(self, origin: Origin | None) -> EventRules:
        """Return the rules for flagged rows of an origin; None: there are none."""
        gap, period = (origin.max_gap, origin.period) if origin else (0, 0)
        longest = origin.longest if origin else 0
        return EventRules.of(self.settings, max_gap=gap, period=period, longest=longest)

    def own_rules_of(self, origin: Origin | None) -> Mapping[str | None, EventRules]:
        """Return the rules of the entities that are sampled at another rate."""
        return own_rules(self.settings, self.rates, longest=origin.longest if origin else 0)


@dataclass(frozen=True, kw_only=True)
class FormationState:
    """The existing files of flagged rows, in order of time, and of events."""

    files: tuple[OutputFile, ...]  # of flagged rows, except leaving partitions
    origins: tuple[Origin, ...]
    marked: tuple[bool, ...]  # whether their events were formed by the current rules
    held: tuple[bytes | None, ...]  # what their footers hold of `aedetect.events.held`
    events: Mapping[Partition, OutputFile]
    rules: EventRules
    marks: Mapping[bytes, bytes]
    is_formed: bool  # whether there is nothing to do

    @cached_property
    def partitions(self) -> tuple[Partition, ...]:
        """The partitions of the flagged files."""
        return tuple(file.partition for file in self.files)


def read_formation_state(
    output: Path, formation: Formation, leaving: Collection[Partition]
) -> FormationState:
    """List the files except those of leaving partitions, and read their footers."""
    flagged = list_files(output, FLAGGED, by=formation.by)
    files = tuple(file for file in flagged if file.partition not in leaving)
    footers = read_footers(files)
    # Those of the last partition: a new model that has written nothing yet changes nothing.
    rules = formation.rules_of(footers[-1][0] if footers else None)
    formed_by: dict[str, object] = {"rules": asdict(rules), "units": dict(formation.units)}
    if formation.precision is not None:
        formed_by["precision"] = formation.precision
    mark = json.dumps(formed_by, sort_keys=True).encode()
    marked = tuple(found.get(MARK) == mark for _, found in footers)
    origins = tuple(origin for origin, _ in footers)
    events = {file.partition: file for file in list_files(output, EVENTS, by=formation.by)}
    is_whole = all(marked) and [file.partition for file in files] == list(events)
    return FormationState(
        files=files,
        origins=origins,
        marked=marked,
        held=tuple(found.get(HELD_KEY) for _, found in footers),
        events=events,
        rules=rules,
        marks={MARK: mark},
        is_formed=is_whole and _are_formed(output, tuple(events.values()), origins, mark),
    )


def _are_formed(
    output: Path, events: Sequence[OutputFile], origins: Sequence[Origin], mark: bytes
) -> bool:
    """Whether events and withdrawn events were formed by the current rules.

    A run that was killed while it applied other rules may have left the flagged files unchanged.
    """
    footers = read_footers(events)
    withdrawn = read_withdrawn_marks(output)
    return (
        [origin for origin, _ in footers] == list(origins)
        and all(found.get(MARK) == mark for _, found in footers)
        and (withdrawn is None or withdrawn.get(MARK) == mark)
    )
