"""What a scoring run could not do, as warnings and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from aedetect.output.schemas import UNSEEN
from aedetect.timestamps import round_duration
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.events.ongoing import LevelShift
    from aedetect.scoring.schema_drift import ColumnChange
    from aedetect.scoring.summary import Summary

LEVEL_SHIFT = "level has shifted"
_NAMED = 5  # files that a warning names
_REMEDIES = {
    UNSEEN: ' (train on it, or set [calibration] unseen = "pooled" to score it as all together)'
}


def warnings_of(summary: Summary, *, asked: bool) -> tuple[str, ...]:
    """Return what a run could not do; `asked`: whether a span was given."""
    return tuple(_warnings(summary, asked=asked))


def alerts_of(summary: Summary) -> dict[str, str]:
    """Return problems that need attention now, except those of time: name -> text."""
    lost = (*summary.schema_mismatch, *summary.unreadable)
    if len(lost) < summary.files or summary.partitions or summary.current or not lost:
        return {}
    text = f"none of the {summary.files} files can be scored (first: {lost[0]})"
    return {"no usable file": f"{text}: fix them, or train on their columns"}


def alerts_of_shifts(shifts: Iterable[LevelShift], *, renewed: bool) -> dict[str, str]:
    """Return an alert for each shift of level that goes on, by entity: name -> text.

    `renewed`: the thresholds follow already.
    """
    return {
        f"{LEVEL_SHIFT}: {each.entity or 'the only series'}": _told(each, renewed=renewed)
        for each in shifts
    }


def _told(each: LevelShift, *, renewed: bool) -> str:
    who = "" if each.entity is None else f"{each.entity}: "
    remedy = (
        "the thresholds follow it ([calibration] accept_after), and a training learns it"
        if renewed
        else "renew the thresholds (aedetect calibrate CONFIG --renew) or train again"
    )
    return (
        f"{who}in alarm since {each.start}, for {round_duration(each.lasted)} "
        f"({each.rows:,} rows), longer than held-out rows allow: {each.text}; when this is the new "
        f"normal, {remedy}; what is far above the new level is an event of its own (event "
        f"{each.event_id})"
    )


def named_files(names: Iterable[str]) -> str:
    """List a few files, each with its reason, and how many more there are."""
    return list_some(names, most=_NAMED, separator="; ")


def with_remedy(reason: str) -> str:
    """Return why rows are not scored, with the setting that helps where one does."""
    if "without a gap over" in reason:
        return f"{reason} (a larger [data] max_gap needs a new training)"
    return reason + _REMEDIES.get(reason, "")


def _warnings(summary: Summary, *, asked: bool) -> Iterator[str]:
    if summary.unreadable:
        yield f"quarantined, tried again in the next run: {named_files(summary.unreadable)}"
    if summary.schema_mismatch:
        yield f"cannot be scored with {summary.model}: {named_files(summary.schema_mismatch)}"
    if summary.deferred:
        yield f"left as they were, an input cannot be read: {named_files(summary.deferred)}"
    yield from summary.undated
    kinds: dict[tuple[str, str], list[ColumnChange]] = {}
    for change in summary.drift:
        kinds.setdefault((change.column, change.change), []).append(change)
    for alike in kinds.values():
        others = f" (and {len(alike) - 1} more files)" if len(alike) > 1 else ""
        yield f"{alike[0]}{others}"
    arrived = summary.files_new + summary.files_changed
    if summary.rows and not summary.scored:
        reasons = named_files(map(with_remedy, summary.not_scored))
        yield f"none of {summary.rows:,} rows could be scored: {reasons}"
    elif arrived and not (summary.rows or summary.deferred or asked):
        yield f"no row to score in {arrived} new or changed files"
    elif asked and not summary.partitions + summary.current + len(summary.deferred):
        yield "the input has no row in the requested time range"
    elif summary.newest is None:
        yield f"none of the {summary.files} files holds a row with a timestamp"
