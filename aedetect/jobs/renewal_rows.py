"""The scored rows that a renewal takes: those of the last days, and the threshold of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.calibration import HeldOut
from aedetect.calibration.accepted_rules import RuleRows
from aedetect.calibration.history import read_renewal
from aedetect.calibration.renewal import renewed
from aedetect.detector import Outline, read_outline
from aedetect.detector.accepted import acceptable_reasons
from aedetect.events import read_labels
from aedetect.events.labels import CONFIRMED
from aedetect.output.schemas import ANOMALY, NORMAL
from aedetect.timestamps import parse_duration, to_nanoseconds

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int32, Int64
    from aedetect.calibration import Calibration
    from aedetect.config import Config
    from aedetect.events import Label
    from aedetect.output import OutputFile

_COLUMNS = ["timestamp", "entity", "score", "verdict", "reason"]
_FIELDS = ("entity", "time", "score", "anomaly", "suspect")


@dataclass(frozen=True)
class RecentRows:
    """Rows by entity and time, the threshold in force at each (n,), and what rules flag of them."""

    rows: HeldOut
    threshold: Float64
    broken: RuleRows


def read_recent_rows(
    config: Config, place: Path, full: Outline, files: Sequence[OutputFile], *, until: int
) -> RecentRows:
    """Return the rows in the files from `renew_from` before a time (ns) on.

    Held-out rows of training that are not older count, too: a young detector has few others.
    """
    start = until - parse_duration(config.calibration.renew_from)
    labels = [each for each in read_labels(config.output) if each.opinion == CONFIRMED]
    old = full.calibration.held_out
    old = old.take(old.time >= start)
    parts = [replace(old, held=None)]
    limits = [full.calibration.thresholds(old.entity)]
    reasons = acceptable_reasons(full.schema.features)
    told = [np.full(len(old), -1, dtype=np.int32)]
    judged: dict[int, Calibration] = {}
    for file in files:
        version = file.origin().calibration_version
        if version not in judged:
            judged[version] = _calibration(place, full, version)
        part, reason = _scored(file.read(_COLUMNS), full.entities, labels, reasons, start=start)
        parts.append(part)
        told.append(reason)
        limits.append(judged[version].thresholds(part.entity))
    rows = HeldOut(*(np.concatenate([getattr(p, name) for p in parts]) for name in _FIELDS))
    usable = ~rows.anomaly
    broken = RuleRows(rows.entity[usable], rows.time[usable], np.concatenate(told)[usable], reasons)
    order = np.lexsort((rows.time, rows.entity))
    return RecentRows(rows.take(order), np.concatenate(limits)[order], broken)


def _calibration(place: Path, full: Outline, version: int) -> Calibration:
    """Return a calibration of a saved detector; a renewal of `full` without reading that again."""
    renewal = read_renewal(place, version)
    if renewal is not None and renewal.base == full.calibration.version:
        return renewed(full.calibration, renewal)
    return read_outline(place, calibration=version).calibration


def _scored(
    table: pa.Table,
    entities: Sequence[str | None],
    labels: Sequence[Label],
    reasons: Sequence[str],
    *,
    start: int,
) -> tuple[HeldOut, Int32]:
    """Return the judged rows of known entities in a partition, and the rule that flagged each."""
    judged = pc.is_in(table["verdict"], value_set=pa.array([NORMAL, ANOMALY]))
    table = table.filter(pc.and_(judged, pc.is_valid(table["score"])))
    time = to_nanoseconds(table["timestamp"]).to_numpy()
    entity = _codes(table["entity"], entities)
    known = (entity >= 0) & (time >= start)
    confirmed = _inside(table["entity"], time, labels)
    reason = pc.index_in(
        table["reason"].cast(pa.string()), value_set=pa.array(reasons, pa.string())
    )
    rows = HeldOut(
        entity[known],
        time[known],
        table["score"].to_numpy()[known],
        confirmed[known],
        np.zeros(int(known.sum()), dtype=np.bool_),
    )
    return rows, np.asarray(pc.fill_null(reason, -1).to_numpy(), dtype=np.int32)[known]


def _codes(names: pa.ChunkedArray, entities: Sequence[str | None]) -> Int32:
    """Return the codes of entities: 0 when all are scaled together, -1 for unseen ones."""
    if not entities:
        return np.zeros(len(names), dtype=np.int32)
    found = pc.index_in(names, value_set=pa.array(entities, pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int32)


def _inside(names: pa.ChunkedArray, time: Int64, labels: Sequence[Label]) -> Bool:
    """Mark the rows of confirmed events: (n,)."""
    marked = np.zeros(len(time), dtype=np.bool_)
    for each in labels:
        same = pc.equal(names, each.entity) if each.entity else pc.is_null(names)
        marked |= same.to_numpy() & (time >= each.start) & (time <= each.end)
    return marked
