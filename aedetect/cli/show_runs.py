"""Output of scoring runs: one run, or a list of the last ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aedetect.cli.show import console, relative_location, table_of
from aedetect.scoring.outcome_table import describe_outcome
from aedetect.scoring.run_warnings import named_files, with_remedy

if TYPE_CHECKING:
    from aedetect.scoring import Summary

_HEADINGS = (
    "started",
    "status",
    "model",
    "files",
    "new",
    "partitions",
    "rows",
    "flagged",
    "newest row",
    "seconds",
)


def print_summary(summary: Summary) -> None:
    """Show the summary of a scoring run."""
    out = console()
    out.print(
        f"{summary.model}: {summary.rows:,} rows of {summary.partitions} partitions scored, "
        f"{summary.flagged:,} flagged; {summary.current} partitions were up to date"
    )
    out.print(
        f"  {summary.files} files: {summary.files_new} new, {summary.files_changed} changed, "
        f"{summary.files_deleted} deleted, {len(summary.quarantined)} quarantined"
    )
    if summary.passed_over:
        out.print(f"  passed over: {named_files(summary.passed_over)}")
    for reason, count in summary.not_scored.items():
        out.print(f"  {count:,} rows not scored: {with_remedy(reason)}")
    for reason, count in summary.suppressed.items():
        out.print(f"  {count:,} rows suppressed: {reason}")
    if any(summary.events.values()):
        counts = (f"{count:,} {kind}" for kind, count in summary.events.items() if count)
        out.print(f"  events: {', '.join(counts)}")
    said: set[str] = set()
    for each in summary.outcome:
        text = describe_outcome(each)
        figures = text.partition(" days ")[2]  # those of a longer period may be the same
        if each.together and figures not in said:
            out.print(f"  {text}")
        said |= {figures} if each.together else set()
    for text in summary.warnings:
        out.print(f"  warning: {text}")
    for text in summary.alerts.values():
        out.print(f"  ALERT: {text}")
    if summary.withdrawn:
        out.print(f"  withdrawn, input gone: {', '.join(summary.withdrawn)}")
    output = relative_location(summary.output)
    out.print(
        f"verdicts in {output}/scores, flagged rows with causes in {output}/flagged, "
        f"events in {output}/events"
    )


def print_runs(runs: Sequence[Mapping[str, Any]]) -> None:
    """Show runs, one line each, followed by their errors, alerts and warnings."""
    out = console()
    if not runs:
        out.print("no run is recorded yet: aedetect score CONFIG")
        return
    table = table_of(*_HEADINGS)
    for run in runs:
        table.add_row(
            run["started"].isoformat(" ", timespec="seconds"),
            run["status"] + (" (reflag)" if run["command"] == "reflag" else ""),
            run["model"],
            str(run["files"]),
            str(run["files_new"] + run["files_changed"]),
            str(run["partitions"]),
            f"{run['rows']:,}",
            f"{run['flagged']:,}",
            str(run["newest"] or "-").replace("T", " "),
            f"{run['seconds']:.1f}",
        )
    out.print(table)
    for run in runs:
        for text in [*filter(None, [run["error"]]), *run["alerts"], *run["warnings"]]:
            out.print(f"{run['started'].isoformat(' ', timespec='seconds')}  {text}")
