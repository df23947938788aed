"""From an event or a row back to what judged it: calibration, version, run, data and code."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from aedetect import registry
from aedetect.calibration.history import read_renewal
from aedetect.errors import NoData, RegistryError
from aedetect.events.table import as_events
from aedetect.jobs.promises import promise_of
from aedetect.jobs.table_clock import shown_clock
from aedetect.output import list_files
from aedetect.output.partitions import EVENTS, SCORES, Span
from aedetect.registry.promotions import read_promotions
from aedetect.timestamps import format_instant, to_nanoseconds

if TYPE_CHECKING:
    from aedetect.calibration.promise import Promise
    from aedetect.config import Config
    from aedetect.events import Event
    from aedetect.output import OutputFile
    from aedetect.registry.history import Promotion


@dataclass(frozen=True, kw_only=True)
class EventChain:
    """An event and its origin. What the registry no longer has is None."""

    event: Event
    file: str  # of events/
    inputs: Mapping[str, str]  # files that the partition was made from, and their fingerprints
    model_name: str
    model_version: int
    calibration_version: int
    config_hash: str
    run_id: str | None
    trained: Mapping[str, str] | None  # tags of the version: data range, fingerprint, code version
    promotion: Promotion | None  # the last one of that version


@dataclass(frozen=True, kw_only=True)
class RowChain:
    """A scored row and its origin. What the registry no longer has is None."""

    timestamp: str  # ISO
    entity: str | None
    score: float | None
    p_value: float | None
    verdict: str
    reason: str | None
    promise: Promise | None  # of its calibration
    file: str  # of scores/
    inputs: Mapping[str, str]
    model_name: str
    model_version: int
    calibration_version: int
    config_hash: str
    run_id: str | None
    trained: Mapping[str, str] | None
    promotion: Promotion | None


def trace_event(config: Config, event_id: str) -> EventChain:
    """Return the chain of an event. Raises NoData when there is no such event."""
    file, found = find_event(config, event_id)
    (event,) = as_events(found, shown_clock(config).zone)
    row: dict[str, Any] = found.select(
        ["model_name", "model_version", "calibration_version"]
    ).to_pylist()[0]
    name, version = row["model_name"], int(row["model_version"])
    return EventChain(
        event=event,
        calibration_version=int(row["calibration_version"]),
        **_origin(config, file, name, version, calibration=int(row["calibration_version"])),
    )


def find_event(config: Config, event_id: str) -> tuple[OutputFile, pa.Table]:
    """Return the row of an event, and its file. Raises NoData when there is no such event."""
    asked = pa.array([event_id])
    for file in list_files(config.output, EVENTS):
        table = file.read()
        found = table.filter(pc.is_in(table["event_id"], asked))
        if found.num_rows:
            return file, found
    raise NoData(
        f"there is no event {event_id} in {config.output}: `aedetect flags CONFIG --suppressed` "
        "lists the ids"
    )


def trace_row(config: Config, at: str, entity: str | None) -> RowChain:
    """Return the chain of the row of an entity at a time. Raises NoData when there is none."""
    clock = shown_clock(config)
    moment = clock.parse(at)
    for file in list_files(config.output, SCORES, span=Span(moment, moment + 1)):
        table = file.read()
        here = pc.equal(to_nanoseconds(table["timestamp"]), moment)
        name = table["entity"]
        here = pc.and_(here, pc.is_null(name) if entity is None else pc.equal(name, entity))
        found = table.filter(here)
        if not found.num_rows:
            continue
        row = found.slice(0, 1).drop_columns(["timestamp"]).to_pylist()[0]
        made = file.origin()
        calibration = made.calibration_version
        origin = _origin(config, file, made.model_name, made.model_version, calibration=calibration)
        reference = f"{made.model_name}/{made.model_version}"
        return RowChain(
            timestamp=clock.iso(moment),
            entity=row["entity"],
            score=row["score"],
            p_value=row["p_value"],
            verdict=row["verdict"],
            reason=row["reason"],
            promise=promise_of(config, reference, calibration),
            calibration_version=calibration,
            **origin,
        )
    who = f" of {entity}" if entity else " without an entity (give --entity)"
    raise NoData(
        f"there is no row{who} at {clock.iso(moment)} in {config.output / SCORES}: give the exact "
        "time of a row, on the clock of the table"
    )


def _origin(
    config: Config, file: OutputFile, name: str, version: int, *, calibration: int
) -> dict[str, Any]:
    """Return what footer, registry and history know of the origin of a file of a version."""
    origin, uri = file.origin(), config.tracking_uri
    made = _version(f"{name}/{version}", uri)
    promotions = read_promotions(name, tracking_uri=uri)
    return {
        "file": str(file.path),
        "inputs": dict(origin.inputs),
        "model_name": name,
        "model_version": version,
        "config_hash": origin.config_hash,
        "run_id": made.run_id if made else None,
        "trained": _facts(made, calibration, uri) if made else None,
        "promotion": next((p for p in reversed(promotions) if p.version == version), None),
    }


def _facts(made: registry.Registered, calibration: int, uri: str) -> dict[str, str]:
    """Return the tags of a version; for what it was calibrated is told of the calibration asked."""
    facts = dict(made.tags)
    if made.calibration == calibration:
        return facts
    facts.pop("calibrated_for", None)
    with suppress(RegistryError, OSError, ValueError):
        renewal = read_renewal(registry.fetch_version(made, tracking_uri=uri), calibration)
        if renewal is not None:
            facts["calibrated_for"] = f"renewed, in force since {format_instant(renewal.since)}"
    return facts


def _version(reference: str, uri: str) -> registry.Registered | None:
    try:
        return registry.find_version(reference, tracking_uri=uri)
    except RegistryError:
        return None
