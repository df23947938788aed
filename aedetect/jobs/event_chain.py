"""From an event back to what it was found with: calibration, version, run, settings, data, code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from aedetect import registry
from aedetect.errors import NoData, RegistryError
from aedetect.events.table import as_events
from aedetect.jobs.table_clock import shown_clock
from aedetect.output import list_files
from aedetect.output.partitions import EVENTS
from aedetect.registry.promotions import read_promotions

if TYPE_CHECKING:
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


def trace_event(config: Config, event_id: str) -> EventChain:
    """Return the chain of an event. Raises NoData when there is no such event."""
    file, found = find_event(config, event_id)
    (event,) = as_events(found, shown_clock(config).zone)
    row: dict[str, Any] = found.select(
        ["model_name", "model_version", "calibration_version"]
    ).to_pylist()[0]
    origin = file.origin()
    name, version = row["model_name"], int(row["model_version"])
    uri = config.tracking_uri
    made = _version(f"{name}/{version}", uri)
    promotions = read_promotions(name, tracking_uri=uri)
    return EventChain(
        event=event,
        file=str(file.path),
        inputs=dict(origin.inputs),
        model_name=name,
        model_version=version,
        calibration_version=int(row["calibration_version"]),
        config_hash=origin.config_hash,
        run_id=made.run_id if made else None,
        trained=dict(made.tags) if made else None,
        promotion=next((p for p in reversed(promotions) if p.version == version), None),
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


def _version(reference: str, uri: str) -> registry.Registered | None:
    try:
        return registry.find_version(reference, tracking_uri=uri)
    except RegistryError:
        return None
