"""What was flagged of the last days, beside what the calibration promised.

Counts come from the footers of scores/, events from one column of events/: no score is read. Only
partitions of the model and calibration in force count, because a promise is theirs.

Rows of one event are not independent, so that a binomial interval of the share is too narrow. The
interval takes days as clusters: the ratio estimate and its variance are those of Cochran, Sampling
Techniques (1977), section 9A.1, with quantiles of Student's t. That of events a day is the
exact one of a Poisson count (Garwood 1936); it is too narrow when events come in groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64
from aedetect.calibration.poisson import COVERAGE, count_interval
from aedetect.output import Partition, list_files
from aedetect.output.catalog import read_footers
from aedetect.output.partitions import EVENTS, SCORES, Span
from aedetect.output.verdict_counts import VerdictCounts
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.calibration import Calibration
    from aedetect.output import OutputFile

PERIODS = (7, 30)  # days
MIN_DAYS = 5  # with scores, for an interval
LISTED = 10  # entities in a table, those with most flagged rows
_DAY = NANOSECONDS["d"]


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
    promise: float  # share of normal rows flagged at most
    events_a_day: float | None = None  # reported; None for a single entity
    events_low: float | None = None
    events_high: float | None = None
    events_promise: float | None = None  # upper bound of the forecast


def outcomes(
    output: Path,
    *,
    model_version: int,
    calibration: Calibration,
    base: int | None = None,
    entities: Sequence[str | None] = (),
) -> tuple[PeriodOutcome, ...]:
    """Return the outcome of each period: all together first, then the entities flagged most.

    `entities` are the names by their code in the calibration; `base` is the version that it renews,
    by default its own: rows judged by versions from there on count. Empty without scores.
    Raises OutputError when a file cannot be read.
    """
    newest = list_files(output, SCORES)[-1:]
    if not newest:
        return ()
    end = newest[0].partition.end
    span = Span(end - max(PERIODS) * _DAY, end)
    first = calibration.version if base is None else base
    counted = _counted(list_files(output, SCORES, span=span), model_version, first)
    events = _events(list_files(output, EVENTS, span=span), set(counted))
    rates = {
        entities[code]: own.threshold.rate
        for code, own in calibration.own.items()
        if code < len(entities)
    }
    found: list[PeriodOutcome] = []
    for period in PERIODS:
        since = end - period * _DAY
        inside = {at: each for at, each in counted.items() if at.start >= since}
        if inside:
            count = sum(n for at, n in events.items() if at in inside)
            found += _of_period(period, inside, count, calibration, rates)
    return tuple(found)


def share_interval(flagged: Float64, rows: Float64) -> tuple[float, float] | None:
    """Return an interval of sum(flagged) / sum(rows) from days: (D,), (D,); None for too few days.

    None as well when no row is flagged: days then show no spread.
    """
    from scipy.special import stdtrit

    days = len(rows)
    if days < MIN_DAYS or not flagged.sum():
        return None
    share = flagged.sum() / rows.sum()
    spread = np.sqrt(days / (days - 1) * ((flagged - share * rows) ** 2).sum()) / rows.sum()
    width = float(stdtrit(days - 1, (1 + COVERAGE) / 2) * spread)
    return max(float(share) - width, 0.0), min(float(share) + width, 1.0)


def _counted(files: Sequence[OutputFile], model: int, first: int) -> dict[Partition, VerdictCounts]:
    """Return the counts of the partitions that a calibration, or one that renews it, has judged."""
    found = {}
    for file, (origin, footer) in zip(files, read_footers(files), strict=True):
        counts = VerdictCounts.of_footer(footer)
        same = origin.model_version == model and origin.calibration_version >= first
        if same and counts is not None and counts.judged:
            found[file.partition] = counts
    return found


def _events(files: Sequence[OutputFile], among: set[Partition]) -> dict[Partition, int]:
    """Return how many reported events start in each partition."""
    return {
        file.partition: sum(each["suppressed"].null_count for each in file.batches(["suppressed"]))
        for file in files
        if file.partition in among
    }


def _of_period(
    period: int,
    inside: Mapping[Partition, VerdictCounts],
    events: int,
    calibration: Calibration,
    rates: Mapping[str | None, float],
) -> list[PeriodOutcome]:
    """Return the outcome of all rows of a period, then of the entities flagged most."""
    number = np.array([at.start // _DAY for at in inside])
    days, day = np.unique(number, return_inverse=True)
    rows = np.bincount(day, [each.judged for each in inside.values()])
    flagged = np.bincount(day, [each.flagged for each in inside.values()])
    low, high = share_interval(flagged.astype(np.float64), rows.astype(np.float64)) or (None, None)
    covered = sum(at.end - at.start for at in inside) / _DAY
    fewest, most = count_interval(events)
    common = {"period": period, "days": len(days)}
    own = [calibration.threshold.rate, *rates.values()]
    together = PeriodOutcome(
        **common,
        entity=None,
        together=True,
        rows=int(rows.sum()),
        flagged=int(flagged.sum()),
        share=float(flagged.sum() / rows.sum()),
        low=low,
        high=high,
        promise=max(own),
        events_a_day=events / covered,
        events_low=fewest / covered,
        events_high=most / covered,
        events_promise=calibration.forecast.high,
    )
    table = _by_entity(inside)
    return [together] + [
        PeriodOutcome(
            **common,
            entity=name,
            together=False,
            rows=n,
            flagged=f,
            share=f / n,
            low=None,
            high=None,
            promise=rates.get(name, calibration.threshold.rate),
        )
        for name, (n, f) in table
    ]


def _by_entity(
    inside: Mapping[Partition, VerdictCounts],
) -> list[tuple[str | None, tuple[int, int]]]:
    """Return rows and flagged rows of the entities flagged most, on days with flagged rows."""
    found: dict[str | None, tuple[int, int]] = {}
    for counts in inside.values():
        for name, (n, f) in counts.entities.items():
            rows, flagged = found.get(name, (0, 0))
            found[name] = (rows + n, flagged + f)
    if set(found) <= {None}:
        return []
    order = sorted(found.items(), key=lambda each: (-each[1][1], each[0] or ""))
    return order[:LISTED]
