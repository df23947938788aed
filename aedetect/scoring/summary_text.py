"""The report of a scoring run for people: a title, a sentence, or markdown."""

from __future__ import annotations

from collections.abc import Iterator

from aedetect.scoring.outcome_table import describe_others, describe_outcome
from aedetect.scoring.run_warnings import with_remedy
from aedetect.scoring.summary import Summary
from aedetect.timestamps import length_text
from aedetect.wording import figure, markdown_code, markdown_text, plural

_MAX_LISTED = 100  # texts of a kind
_IDLE = "nothing new"


def run_title(summary: Summary, *, events: int) -> str:
    """Return what a run did, for its name, as it follows the name of the detector.

    `events` is the number of reported events that it found or changed.

    >>> day = {"since": "2026-04-29", "last": "2026-04-29"}
    >>> run_title(Summary(status="done", model="pump/3", output="", **day), events=3)
    ' 2026-04-29, 3 events'
    >>> run_title(Summary(status="done", model="pump/3", output=""), events=0)
    ', nothing new'
    """
    parts = list(_besides(summary))
    if summary.days is None:
        return ", ".join(["", *(parts if summary.withdrawn else [_IDLE, *parts])])
    found = plural(events, "event") if events else "no new event"
    return " " + ", ".join([summary.days, found, *parts])


def summary_line(summary: Summary, *, events: int) -> str:
    """Return what a run did in one sentence."""
    current = f"{plural(summary.current, 'partition')} up to date"
    if summary.days is None:
        parts = [f"{_IDLE}, {current}"]
    else:
        rows = f"{summary.scored:,} of {plural(summary.rows, 'row')} of {summary.days}"
        scored = f"{rows} scored by {summary.model}, {summary.flagged:,} flagged"
        parts = [f"{plural(events, 'event')} new or changed", scored]
    return "; ".join([*parts, *_besides(summary)])


def _besides(summary: Summary) -> Iterator[str]:
    """Yield what a run did beside scoring, and what it could not do."""
    if summary.withdrawn:
        yield f"{plural(len(summary.withdrawn), 'partition')} withdrawn"
    if summary.quarantined:
        yield f"{plural(len(summary.quarantined), 'file')} quarantined"
    if summary.alerts:
        yield plural(len(summary.alerts), "alert")


def summary_markdown(summary: Summary, *, events: int) -> str:
    """Return the summary as markdown: a sentence, figures, and what needs attention in full."""
    rows = [f"| {name} | {markdown_text(text, table=True)} |" for name, text in _figures(summary)]
    head = f"**{markdown_text(summary_line(summary, events=events))}**"
    lists = {
        "Alerts": summary.alerts.values(),
        "Warnings": summary.warnings,
        "Outcome and promise": [
            *(describe_outcome(each) for each in summary.outcome),
            *filter(None, map(describe_others, summary.outcome)),
        ],
        "Rows suppressed": [f"{n:,}: {why}" for why, n in summary.suppressed.items()],
        "Rows not scored": [f"{n:,}: {with_remedy(why)}" for why, n in summary.not_scored.items()],
        "Files quarantined": summary.quarantined,
        "Files passed over": summary.passed_over,
        "Withdrawn": summary.withdrawn,
        "Deferred": summary.deferred,
    }
    parts = [head, "", "| | |", "|---|---|", *rows]
    for title, entries in lists.items():
        if entries:
            shown, more = list(entries)[:_MAX_LISTED], len(entries) - _MAX_LISTED
            parts += ["", f"**{title}**", "", *(f"- {markdown_code(each)}" for each in shown)]
            parts += [f"- and {more:,} more"] if more > 0 else []
    return "\n".join([*parts, "", f"Verdicts in {markdown_code(summary.output)}."])


def _figures(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield the figures of a run, each with its name."""
    share = f" ({figure(100 * summary.flagged / summary.scored)} %)" if summary.scored else ""
    if summary.status == "partial":
        yield "status", "partial: what could not be scored is listed below"
    yield "rows scored", f"{summary.scored:,} of {summary.rows:,}"
    yield "rows flagged", f"{summary.flagged:,}{share}"
    if suppressed := sum(summary.suppressed.values()):
        yield "rows suppressed", f"{suppressed:,}"
    yield "events", _counts(summary.events)
    yield "scored now", summary.days or "nothing"
    yield "partitions", f"{summary.partitions:,} scored now, {summary.current:,} up to date"
    files = {"new": summary.files_new, "changed": summary.files_changed}
    files |= {"deleted": summary.files_deleted, "quarantined": len(summary.quarantined)}
    yield "files", f"{summary.files:,}: {_counts(files)}"
    if summary.newest is not None:
        yield "newest row", summary.newest.replace("T", " ") + _age(summary.age)
    calibration = summary.calibration_version
    yield "model", summary.model + (f", calibration {calibration}" if calibration else "")
    if summary.seconds is not None:
        yield "took", length_text(summary.seconds) if summary.seconds >= 1 else "less than 1s"


def _counts(counts: dict[str, int]) -> str:
    """List counts with what they count; without any, that there is none."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none new"


def _age(seconds: float | None) -> str:
    if seconds is None or seconds < 1:
        return ""
    return f", {length_text(seconds)} old"
