"""What was flagged of the last days, beside what the calibration promised.

Counts come from the footers of scores/, events from two columns of events/: no score is read. Only
partitions of the model and calibration in force count, since another judged: a promise is theirs.

The interval of events a day is the exact one of a Poisson count (Garwood 1936); it is too narrow
when events come in groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int64
from aedetect.calibration.poisson import count_interval
from aedetect.output import Partition, list_files
from aedetect.output.catalog import newest_files, read_footers
from aedetect.output.partitions import EVENTS, SCORES, Span
from aedetect.output.verdict_counts import VerdictCounts
from aedetect.scoring.kept_again import days_of_return
from aedetect.scoring.promised import Promises
from aedetect.scoring.share_interval import share_interval
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.calibration import Calibration
    from aedetect.calibration.promise import Promise
    from aedetect.output import OutputFile

PERIODS = (7, 30)  # days
LISTED = 10  # entities in a table, those furthest above their promise
_DAY = NANOSECONDS["d"]

Events = Mapping[Partition, Counter[str | None]]
Counted = Mapping[Partition, VerdictCounts]


@dataclass(frozen=True, kw_only=True)
class PeriodOutcome:
    """The outcome of some days and the promise; a bound is None with too few days to know it."""

    period: int  # days up to the newest partition
    days: int  # of these, with scores by the calibration in force
    entity: str | None  # None: all together
    together: bool  # whether it is for all entities
    rows: int  # judged
    flagged: int
    share: float
    low: float | None
    high: float | None
    promise: float  # share of normal rows flagged at most; of all: the mean over their rows
    bound: float | None = None  # of it by the evidence, see `calibration.promise`; None: refused
    refused: str = ""  # why nothing is promised
    events_a_day: float | None = None  # reported
    events_low: float | None = None
    events_high: float | None = None
    events_promise: float | None = None  # upper bound of the forecast; None: only one of all
    others: int = 0  # of all together: entities that are not listed
    above: int = 0  # of all together: entities that are surely above their promise
    newest: float = 1.0  # share of rows flagged on the last of the days
    kept_since: str = ""  # the first of the last days on which a broken promise is kept again
    eased_since: str = ""  # on which it is no longer off by more than the factor of an alert

    @property
    def most(self) -> float:
        """The share promised: what the evidence left open, or what was aimed at without any."""
        return self.promise if self.bound is None else self.bound


def outcomes(
    output: Path,
    *,
    model_version: int,
    calibration: Calibration,
    base: int | None = None,
    entities: Sequence[str | None] = (),
    factor: float = 1.0,
) -> tuple[PeriodOutcome, ...]:
    """Return the outcome of each period: all together, then the entities furthest above.

    `entities` are the names by their code in the calibration; `base` is the version that it renews,
    by default its own: rows judged by versions from there on count. `factor` times the promise is
    an alert. Empty without scores. Raises OutputError when a file cannot be read.
    """
    newest = next(newest_files(output, SCORES), None)
    if newest is None:
        return ()
    end = newest.partition.end
    span = Span(end - max(PERIODS) * _DAY, end)
    first = calibration.version if base is None else base
    counted = _counted(list_files(output, SCORES, span=span), model_version, first)
    events = _events(list_files(output, EVENTS, span=span), set(counted))
    promises = Promises.of(calibration, entities)
    found: list[PeriodOutcome] = []
    for period in PERIODS:
        since = end - period * _DAY
        inside = {at: each for at, each in counted.items() if at.start >= since}
        if inside:
            together, *single = _of_period(period, inside, events, promises)
            found += [_counted_in(together, single, entities), *single[:LISTED]]
    return tuple(_with_return(each, counted, factor) for each in found)


def _counted(files: Sequence[OutputFile], model: int, first: int) -> dict[Partition, VerdictCounts]:
    """Return the counts of the partitions that a calibration, or one that renews it, has judged.

    What it judged before another one did, such as before a promotion and a rollback, is over.
    """
    found: dict[Partition, VerdictCounts] = {}
    for file, (origin, footer) in zip(files, read_footers(files), strict=True):
        counts = VerdictCounts.of_footer(footer)
        if counts is None or not counts.judged:
            continue
        if origin.model_version == model and origin.calibration_version >= first:
            found[file.partition] = counts
        else:
            found.clear()
    return found


def _events(files: Sequence[OutputFile], among: set[Partition]) -> Events:
    """Return how many reported events of each entity start in each partition."""
    found: dict[Partition, Counter[str | None]] = {}
    for file in files:
        if file.partition in among:
            table = file.read(["entity", "suppressed"])
            told = table.filter(table["suppressed"].is_null())
            found[file.partition] = Counter(told["entity"].to_pylist())
    return found


def _of_period(
    period: int, inside: Counted, events: Events, promises: Promises
) -> list[PeriodOutcome]:
    """Return the outcome of all rows of a period, then of single entities."""
    number = np.array([at.start // _DAY for at in inside])
    days, day = np.unique(number, return_inverse=True)
    rows, flagged = (
        np.bincount(day, [getattr(each, name) for each in inside.values()]).astype(np.float64)
        for name in ("judged", "flagged")
    )
    covered = sum(at.end - at.start for at in inside) / _DAY
    told: Counter[str | None] = Counter()
    for at in inside:
        told.update(events.get(at, {}))
    by_entity = _by_entity(inside, day.astype(np.int64), len(days))
    known = {name: float(counts[0].sum()) for name, counts in by_entity.items()}
    total = int(rows.sum())
    together = _period_outcome(
        period, None, rows, flagged, covered=covered, events=told.total(),
        promise=promises.mean(known, total), events_promise=promises.events_together,
        evidence=promises.evidence, together=True,
    )  # fmt: skip
    if set(by_entity) <= {None}:
        return [together]
    single = [
        _period_outcome(
            period, name, counts[0], counts[1], covered=covered, events=told[name],
            promise=promises.share_of(name), events_promise=promises.events.get(name),
            evidence=promises.evidence,
        )
        for name, counts in by_entity.items()
        if counts[0].sum()
    ]  # fmt: skip
    # Known to be above first, then those that were flagged most for what was promised.
    single.sort(key=lambda each: (-(each.low or 0) / each.promise, -each.share, each.entity or ""))
    return [together, *single]


def _counted_in(
    together: PeriodOutcome, single: Sequence[PeriodOutcome], entities: Sequence[str | None]
) -> PeriodOutcome:
    """Add how many entities are above, and how many are not listed: learnt, or in footers."""
    known = set(entities) | {each.entity for each in single} if single else set()
    above = sum(each.low is not None and each.low > each.most for each in single)
    return replace(together, others=max(len(known) - LISTED, 0), above=above)


def _with_return(each: PeriodOutcome, counted: Counted, factor: float) -> PeriodOutcome:
    """Add since when a promise that was surely broken is kept again, by all days there are."""
    if each.low is None or each.low <= each.most:
        return each
    of = None if each.together else (each.entity,)
    kept, eased = days_of_return(counted, of, shares=(each.most, factor * each.most))
    return replace(each, kept_since=kept, eased_since=eased)


def _period_outcome(
    period: int,
    entity: str | None,
    rows: Float64,
    flagged: Float64,
    *,
    covered: float,
    events: int,
    promise: float,
    events_promise: float | None,
    evidence: Promise,
    together: bool = False,
) -> PeriodOutcome:
    """Return the outcome of the rows of some days: (D,), (D,); `covered` in days."""
    there = rows > 0
    low, high = share_interval(flagged[there], rows[there]) or (None, None)
    fewest, most = count_interval(events)
    return PeriodOutcome(
        period=period,
        days=int(there.sum()),
        entity=entity,
        together=together,
        rows=int(rows.sum()),
        flagged=int(flagged.sum()),
        share=float(flagged.sum() / rows.sum()),
        newest=float(flagged[there][-1] / rows[there][-1]),
        low=low,
        high=high,
        promise=promise,
        bound=evidence.bound(promise),
        refused=evidence.reason if evidence.state == "refused" else "",
        events_a_day=events / covered,
        events_low=fewest / covered,
        events_high=most / covered,
        events_promise=events_promise,
    )


def _by_entity(inside: Counted, day: Int64, days: int) -> dict[str | None, Float64]:
    """Return judged and flagged rows by day of the entities that are listed: (2, D) each.

    Footers list all entities up to a number. Where one does not, an entity that it lacks had fewer
    flagged rows than those listed, and an unknown number of rows: it is left out.
    """
    found: dict[str | None, Float64] = {}
    partial: set[str | None] | None = None
    for place, counts in zip(day.tolist(), inside.values(), strict=True):
        for name, pair in counts.entities.items():
            if name not in found:
                found[name] = np.zeros((2, days))
            found[name][:, place] += pair
        if not counts.complete:
            listed = set(counts.entities)
            partial = listed if partial is None else partial & listed
    if partial is None:
        return found
    return {name: each for name, each in found.items() if name in partial}
