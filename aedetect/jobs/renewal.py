"""A calibration that follows: the thresholds of a model, renewed from the scores of the last days.

A renewal is in force from the end of the newest partition that is written. It changes no verdict
that exists, and a partition that is computed again is judged by the calibration in force at its
start: `aedetect score --all` gives the bytes that the runs gave day by day. When scoring runs renew
is in `aedetect.jobs.renewal_steps`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect import registry
from aedetect.calibration.accepted_rules import AcceptedRule, RuleRows, accept_rules, by_reason
from aedetect.calibration.forecast import Timing
from aedetect.calibration.history import read_renewal, write_renewal
from aedetect.calibration.renewal import Factors, Renewal, choose_factors
from aedetect.calibration.trust import trust_of
from aedetect.detector import Outline, read_outline, read_saved_history
from aedetect.errors import AedetectError, CalibrationRefused
from aedetect.jobs.renewal_rows import read_recent_rows
from aedetect.jobs.table_clock import table_clock
from aedetect.logs import log_event
from aedetect.output import list_files, locked
from aedetect.output.partitions import SCORES, Span
from aedetect.output.scratch import temporary_folder
from aedetect.timestamps import format_instant, parse_duration
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.calibration.history import History
    from aedetect.config import Config
    from aedetect.output import OutputFile
    from aedetect.scoring import Model
    from aedetect.wall_clock import WallClock

logger = logging.getLogger(__name__)


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
    accepted: tuple[str, ...]  # column rules that flag no more, as sentences


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


def renew_if_due(config: Config, model: Model) -> tuple[Model, str, tuple[str, ...]]:
    """Renew when that is due; return the model then, why that was refused, and what it accepts.

    Who did not ask for renewals is not told that there are too few rows for them.
    """
    try:
        made = renew(config, f"{model.name}/{model.version}", only_if_due=True)
        if made is None:
            return model, "", ()
        uri = config.tracking_uri
        found = registry.find_version(f"{model.name}/{model.version}", tracking_uri=uri)
        place = registry.fetch_version(found, tracking_uri=uri)
    except AedetectError as error:
        log_event(logger, "not renewed", because=error)
        told = config.calibration.renew is not None or not isinstance(error, CalibrationRefused)
        return model, f"the thresholds were not renewed: {error}" if told else "", ()
    return replace(model, folder=str(place)), "", made.accepted


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
    with temporary_folder() as folder, locked(place, alone=True):
        place = registry.fetch_version(registered, tracking_uri=uri)
        basis = _basis(config, place, registered)
        if only_if_due and not _is_due(config, basis):
            return None
        if not basis.files:
            raise CalibrationRefused(
                f"a renewal needs scores of {registered.reference} in {config.output}, but there "
                "are none: run `aedetect score CONFIG` first"
            )
        renewal, found, accepted = _renewal(config, basis)
        write_renewal(renewal, folder)
        since = format_instant(renewal.since)
        tags = {"renewed_from": config.calibration.renew_from, "since": since}
        registry.add_calibration(
            registered, folder, version=renewal.version, tracking_uri=uri, tags=tags
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
        accepted=tuple(accepted),
    )


def _accepted(
    config: Config, basis: _Basis, full: Outline, broken: RuleRows, before: Renewal | None
) -> tuple[AcceptedRule, ...]:
    """Return the column rules that flag nothing from now on."""
    base = full.calibration
    own = (base.own.get(code, base).threshold for code in range(max(len(full.entities), 1)))
    return accept_rules(
        broken,
        np.array([each.rate for each in own]),
        within=config.calibration.renew_within,
        since=basis.since,
        last=parse_duration(config.calibration.renew_from),
        before=before.accepted if before else (),
    )


def _told(renewal: Renewal, before: Renewal | None, entities: Sequence[str | None]) -> list[str]:
    """Say which rules are accepted that were not before."""
    new = [each for each in renewal.accepted if before is None or each not in before.accepted]
    return [
        (f"{list_some((str(entities[c]) for c in codes), most=5)}: " if any(entities) else "")
        + f"{reason}; taken as normal until {format_instant(renewal.accepted[-1].until)}, unless a "
        "training learns it before"
        for reason, codes in by_reason(new).items()
    ]


def _basis(config: Config, place: Path, registered: registry.Registered) -> _Basis:
    """Find the scores of this version of the model."""
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
    return _Basis(place, saved, history, clock, mine)


def _is_due(config: Config, basis: _Basis) -> bool:
    """Whether the newest partition ends so long after the last renewal began."""
    last, renew = basis.history.renewed, config.renew
    if not basis.files or renew is None or last is None:
        return bool(basis.files) and renew is not None
    scored = basis.since - basis.files[0].partition.bounds(basis.clock)[0]
    trust = trust_of(basis.saved.calibration.held_out.normal)
    return basis.since - last >= trust.due_after(parse_duration(renew), scored=scored)


def _renewal(config: Config, basis: _Basis) -> tuple[Renewal, Factors, list[str]]:
    """Choose what the next version is, and say what it accepts. Raises CalibrationRefused."""
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
    recent = read_recent_rows(config, basis.place, full, basis.files, until=basis.since)
    found = choose_factors(
        recent.rows,
        recent.threshold,
        full.calibration,
        timing=timing,
        accept=parse_duration(config.calibration.accept_after),
        within=config.calibration.renew_within,
        before=before,
    )
    accepted = _accepted(config, basis, full, recent.broken, before)
    version = basis.history.newest + 1
    made = Renewal(version, basis.since, base, found.pooled, found.own, accepted)
    return made, found, _told(made, before, full.entities)
