"""Why alerts that a run no longer has are over, in words; asked when someone was told of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from aedetect.drift.recovery import find_recovery
from aedetect.drift.shifts import SLOW_FAULT, faults_of, last_blocks, shifts_of
from aedetect.events.ongoing import last_level_shift
from aedetect.scoring.outcome_table import NOT_KEPT, end_of_broken
from aedetect.scoring.run_warnings import LEVEL_SHIFT
from aedetect.timestamps import length_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aedetect.drift import Shift
    from aedetect.jobs.scoring_stages import ScoringJob
    from aedetect.scoring import Summary

_INSTEAD = {SLOW_FAULT: "a slow fault", LEVEL_SHIFT: "a shift of level"}
_ONLY = "the only series"


def ends_of_alerts(
    summary: Summary, job: ScoringJob, shifts: Sequence[Shift] | None
) -> Callable[[str], str | None]:
    """Return what says of the name of an alert why it is over, or None while it may not be.

    Each is asked once, and files are read for it only then.
    """

    @cache
    def ended(name: str) -> str | None:
        kind, _, who = name.partition(": ")
        for other, what in _INSTEAD.items():
            if kind != other and who and f"{other}: {who}" in summary.alerts:
                return f"{who}: from now on told as {what}"
        if kind == NOT_KEPT:
            judge = f"{summary.model}, calibration {summary.calibration_version}"
            factor = job.promise_factor
            return end_of_broken(summary.outcome, who or None, factor=factor, judge=judge)
        if kind == LEVEL_SHIFT:
            return _end_of_shift(job.output, who)
        if kind == SLOW_FAULT:
            return _end_of_fault(job.output, who, shifts, model=summary.model)
        return _end_of_other(summary, kind)

    return ended


def _end_of_other(summary: Summary, kind: str) -> str:
    if kind == "stale data":
        age = "" if summary.age is None else f", {length_text(max(summary.age, 0.0))} old"
        return f"rows arrive again: the newest is of {summary.newest}{age}"
    if kind == "no usable file":
        usable = summary.files - len(summary.quarantined)
        return f"{usable} of {summary.files} files can be scored"
    return "the last run came without it"


def _end_of_shift(output: Path, who: str) -> str:
    """Say until when a level was shifted, by the last event that is one."""
    entity = None if who == _ONLY else who
    found = last_level_shift(output, entity)
    if found is None:
        return f"{who}: no event of it is left, as rows, thresholds or labels have changed"
    shift, end, suppressed = found
    if suppressed:
        return f"{who}: event {shift.event_id} is not reported any more ({suppressed})"
    return f"{who}: in alarm from {shift.start} until {end} (event {shift.event_id})"


def _end_of_fault(
    output: Path, who: str, known: Sequence[Shift] | None, *, model: str
) -> str | None:
    """Say since when the scores of an entity are as usual; None while that is not known."""
    blocks = last_blocks(output)
    if not blocks:
        return f"{who}: no day is left that drift is judged by"
    shifts = shifts_of(blocks) if known is None else known
    if any(each.entity == who for each in faults_of(shifts)):
        return None  # one of very many, beyond those that are named
    if found := find_recovery(blocks, who):
        if found.before is None:
            return f"{who}: {model} scores since {blocks[0].day}, and has not seen it"
        if found.times is None:
            return f"{who}: no rows since {found.since}"
        return (
            f"{who}: over since {found.since}, score {found.times:.2g} times its calibration "
            f"({found.before:.2g} before; up to {found.limit:.2g} is usual)"
        )
    together = next((each for each in shifts if each.world), None)
    return None if together is None else f"{who}: by now {together.text}"
