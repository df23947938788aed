"""A calibration that follows: the thresholds of a model, renewed from the scores of the last days.

A renewal is in force from the end of the newest partition that is written. It changes no verdict
that exists, and a partition that is computed again is judged by the calibration in force at its
start: `aedetect score --all` gives the bytes that the runs gave day by day.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect import registry
from aedetect.calibration import HeldOut
from aedetect.calibration.forecast import Timing
from aedetect.calibration.history import read_renewal, write_renewal
from aedetect.calibration.renewal import Factors, Renewal, choose_factors
from aedetect.calibration.trust import trust_of
from aedetect.detector import Outline, read_outline, read_saved_history
from aedetect.errors import AedetectError, CalibrationRefused
from aedetect.events import read_labels
from aedetect.events.labels import CONFIRMED
from aedetect.jobs.table_clock import table_clock
from aedetect.logs import log_event
from aedetect.output import list_files, locked
from aedetect.output.partitions import SCORES, Span
from aedetect.output.schemas import ANOMALY, NORMAL
from aedetect.timestamps import format_instant, parse_duration, to_nanoseconds

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int32, Int64
    from aedetect.calibration.history import History
    from aedetect.config import Config
    from aedetect.events import Label
    from aedetect.output import OutputFile
    from aedetect.scoring import Model, Summary
    from aedetect.wall_clock import WallClock

logger = logging.getLogger(__name__)
_COLUMNS = ["timestamp", "entity", "score", "verdict"]


@dataclass(frozen=True, kw_only=True)
class Renewed:
    """The report of a renewal."""

    model: str
    version: int  # of the calibration
    since: str  # ISO: rows from then on are judged by it
    pooled: float  # factor of the threshold that entities without their own one share
    factors: dict[str, float]  # of those with their own threshold, by name
    rows: int
    left_out: int  # rows of strong and confirmed events
    unchanged: int  # entities with too few rows, whose threshold stays


@dataclass(frozen=True)
class _Basis:
    """What a renewal starts from: the model, its calibrations, and the scores to take."""

    place: Path
    saved: Outline
    history: History
    clock: WallClock
    files: tuple[OutputFile, ...]  # of this version of the model, in order of time

    @property
    def since(self) -> int:
        """The end (ns) of the newest partition."""
        return self.files[-1].partition.bounds(self.clock)[1]


def renew_if_due(config: Config, model: Model, summary: Summary) -> Summary:
    """Renew after a scoring run when `[calibration] renew` has passed since the last time.

    A refused renewal is a warning of the run: its verdicts are written, and the thresholds stay.
    """
    try:
        renew(config, f"{model.name}/{model.version}", only_if_due=True)
    except AedetectError as error:
        text = f"the thresholds were not renewed: {error}"
        log_event(logger, "not renewed", because=error)
        return replace(summary, warnings=(*summary.warnings, text))
    return summary


def renew(
    config: Config, reference: str | None = None, *, only_if_due: bool = False
) -> Renewed | None:
    """Store new thresholds from the scores of the last days as a model's next calibration.

    Returns None when it is not due. Raises CalibrationRefused, UnknownModel, BrokenDetector,
    OutputError or RegistryError.
    """
    uri = config.tracking_uri
    registered = registry.find_version(reference or config.model_reference, tracking_uri=uri)
    place = registry.fetch_version(registered, tracking_uri=uri)
    with tempfile.TemporaryDirectory(prefix="aedetect-") as folder, locked(place, alone=True):
        place = registry.fetch_version(registered, tracking_uri=uri)
        basis = _basis(config, place, registered)
        if only_if_due and not _is_due(config, basis):
            return None
        renewal, found = _renewal(config, basis)
        write_renewal(renewal, Path(folder))
        since = format_instant(renewal.since)
        tags = {"renewed_from": config.calibration.renew_from, "since": since}
        registry.add_calibration(
            registered, Path(folder), version=renewal.version, tracking_uri=uri, tags=tags
        )
    log_event(logger, "renewed", calibration=renewal.version, since=since, rows=found.rows)
    names = basis.saved.entities
    return Renewed(
        model=registered.reference,
        version=renewal.version,
        since=since,
        pooled=renewal.pooled,
        factors={str(names[code]): factor for code, factor in renewal.factors.items()},
        rows=found.rows,
        left_out=found.left_out,
        unchanged=found.unchanged,
    )


def _basis(config: Config, place: Path, registered: registry.Registered) -> _Basis:
    """Find the scores of this version of the model. Raises CalibrationRefused without any."""
    saved = read_outline(place)
    clock = table_clock(config, saved.schema)
    files = list_files(config.output, SCORES, by=config.scoring.partition)
    history = read_saved_history(place)
    window = parse_duration(config.calibration.renew_from)
    if files:
        since = files[-1].partition.bounds(clock)[1]
        span = Span(since - window, since)
        files = tuple(each for each in files if span.covers(each.partition, clock))
    mine = tuple(each for each in files if each.origin().model_version == registered.version)
    if not mine:
        raise CalibrationRefused(
            f"a renewal needs scores of {registered.reference} in {config.output}, but there are "
            "none: run `aedetect score CONFIG` first"
        )
    return _Basis(place, saved, history, clock, mine)


def _is_due(config: Config, basis: _Basis) -> bool:
    """Whether the newest partition ends so long after the last renewal began."""
    last, renew = basis.history.renewed, config.calibration.renew
    if renew is None or last is None:
        return renew is not None
    scored = basis.since - basis.files[0].partition.bounds(basis.clock)[0]
    trust = trust_of(basis.saved.calibration.held_out.normal)
    return basis.since - last >= trust.due_after(parse_duration(renew), scored=scored)


def _renewal(config: Config, basis: _Basis) -> tuple[Renewal, Factors]:
    """Choose the factors of the next version. Raises CalibrationRefused."""
    last = basis.history.renewed
    if last is not None and last >= basis.since:
        raise CalibrationRefused(
            f"the thresholds are renewed already, in force from {format_instant(last)} on, and "
            "there are no newer scores: score newer rows first"
        )
    before = read_renewal(basis.place, basis.history.newest)
    base = before.base if before else basis.history.newest
    full = read_outline(basis.place, calibration=base)
    timing = Timing.of(
        config.events, schema=full.schema, length=full.length, entities=full.entities
    )
    rows, threshold = _sample(config, basis, full)
    found = choose_factors(
        rows,
        threshold,
        full.calibration,
        timing=timing,
        accept=parse_duration(config.calibration.accept_after),
        before=before,
    )
    version = basis.history.newest + 1
    return Renewal(version, basis.since, base, found.pooled, found.own), found


def _sample(config: Config, basis: _Basis, full: Outline) -> tuple[HeldOut, Float64]:
    """Return the scored rows of the last days, and the threshold in force at each: (n,), (n,).

    Held-out rows of training that are not older count, too: a young detector has few others.
    """
    start = basis.since - parse_duration(config.calibration.renew_from)
    labels = [each for each in read_labels(config.output) if each.opinion == CONFIRMED]
    old = full.calibration.held_out
    old = old.take(old.time >= start)
    parts = [replace(old, held=None)]
    limits = [full.calibration.thresholds(old.entity)]
    judged: dict[int, Outline] = {}
    for file in basis.files:
        version = file.origin().calibration_version
        if version not in judged:
            judged[version] = read_outline(basis.place, calibration=version)
        part = _scored(file.read(_COLUMNS), full.entities, labels, start=start)
        parts.append(part)
        limits.append(judged[version].calibration.thresholds(part.entity))
    rows = HeldOut(*(np.concatenate([getattr(p, name) for p in parts]) for name in _FIELDS))
    order = np.lexsort((rows.time, rows.entity))
    return rows.take(order), np.concatenate(limits)[order]


_FIELDS = ("entity", "time", "score", "anomaly", "suspect")


def _scored(
    table: pa.Table, entities: Sequence[str | None], labels: Sequence[Label], *, start: int
) -> HeldOut:
    """Return the judged rows of known entities in a partition."""
    judged = pc.is_in(table["verdict"], value_set=pa.array([NORMAL, ANOMALY]))
    table = table.filter(pc.and_(judged, pc.is_valid(table["score"])))
    time = to_nanoseconds(table["timestamp"]).to_numpy()
    entity = _codes(table["entity"], entities)
    known = (entity >= 0) & (time >= start)
    confirmed = _inside(table["entity"], time, labels)
    return HeldOut(
        entity[known],
        time[known],
        table["score"].to_numpy()[known],
        confirmed[known],
        np.zeros(int(known.sum()), dtype=np.bool_),
    )


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
