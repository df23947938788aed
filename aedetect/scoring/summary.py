"""The report of a scoring run: one record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from aedetect.errors import DataError
from aedetect.events.table import EventChanges
from aedetect.output.partitions import name_range
from aedetect.timestamps import length_text, parse_duration, parse_instant

if TYPE_CHECKING:
    from aedetect.scoring.outcome import PeriodOutcome
    from aedetect.scoring.schema_drift import ColumnChange

Command = Literal["score", "reflag"]
Status = Literal["done", "partial", "failed"]
_AHEAD = 600  # seconds that the newest row may be ahead of the clock without a warning


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The results of a scoring run. A tuple of texts has one text per file."""

    status: Status  # partial: some files or partitions could not be scored, all others are
    model: str  # NAME/version
    calibration_version: int | None = None
    output: str
    started: str | None = None  # ISO, UTC; None without a clock, as are seconds and age
    seconds: float | None = None
    files: int = 0  # found, readable or not
    files_new: int = 0  # not in the output so far
    files_changed: int = 0  # in the output, with other content
    files_deleted: int = 0  # in the output, and no longer in the input
    unreadable: tuple[str, ...] = ()  # quarantined; tried again in each run
    schema_mismatch: tuple[str, ...] = ()  # lack columns or types that the model needs
    passed_over: tuple[str, ...] = ()  # in the input folders, and no Parquet files
    undated: tuple[str, ...] = ()  # have rows without a timestamp, which belong to no partition
    drift: tuple[ColumnChange, ...] = ()  # of files that are new or changed, and fit
    newest: str | None = None  # newest timestamp seen, ISO; as in the table
    age: float | None = None  # of it, in seconds; a timestamp without any zone is taken as UTC
    rows: int = 0  # of the partitions computed
    scored: int = 0
    flagged: int = 0
    suppressed: dict[str, int] = field(default_factory=dict)  # rows by reason; scored
    not_scored: dict[str, int] = field(default_factory=dict)  # rows by reason
    # how many are new, changed and withdrawn
    events: dict[str, int] = field(default_factory=lambda: EventChanges().counts)
    partitions: int = 0  # computed
    since: str | None = None  # the first of them; None when there is none
    last: str | None = None  # the last of them
    current: int = 0  # up to date
    withdrawn: tuple[str, ...] = ()  # their input no longer exists
    deferred: tuple[str, ...] = ()  # not changed, because one of their inputs cannot be read now
    warnings: tuple[str, ...] = ()
    # name -> text: problems that need attention now
    alerts: dict[str, str] = field(default_factory=dict)
    error: str | None = None  # of a failed run, in one line
    command: Command = "score"  # a reflag reads no input: it has no files
    outcome: tuple[PeriodOutcome, ...] = ()  # of the last days, beside the promise

    @property
    def quarantined(self) -> tuple[str, ...]:
        """Files that were not scored, with the reason."""
        return (*self.unreadable, *self.schema_mismatch)

    @property
    def days(self) -> str | None:
        """The partitions computed, by the first and the last of them; None without any."""
        return name_range(self.since, self.last) if self.since and self.last else None

    @property
    def did_nothing(self) -> bool:
        """Whether there was nothing to do."""
        files = self.files_new + self.files_changed + self.files_deleted
        return not (files + self.partitions + len(self.withdrawn) + sum(self.events.values()))

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to do and nothing to say."""
        return self.status == "done" and self.did_nothing and not (self.warnings or self.alerts)


def with_age(
    summary: Summary, *, started: datetime, ended: datetime, stale_after: str | None
) -> Summary:
    """Add start, duration, the age of the newest row, and an alert if it is stale."""
    newest = None if summary.newest is None else parse_instant(summary.newest)
    age = None if newest is None else (parse_instant(ended.isoformat()) - newest) / 1e9
    limit = None if stale_after is None else parse_duration(stale_after) / 1e9
    warnings, alerts = list(summary.warnings), dict(summary.alerts)
    if age is not None and age < -_AHEAD:
        warnings.append(
            f"the newest row, of {summary.newest}, is {length_text(-age)} ahead of the clock: a "
            "wrong clock, or local time without a zone, hides that data are late"
        )
    if age is not None and limit is not None and age > limit:
        alerts["stale data"] = (
            f"the newest row, of {summary.newest}, is {length_text(age)} old, but [scoring] "
            f"stale_after is {stale_after}: check why no data arrive"
        )
    return replace(
        summary,
        started=started.astimezone(UTC).isoformat(timespec="microseconds"),
        seconds=(ended - started).total_seconds(),
        age=age,
        warnings=tuple(warnings),
        alerts=alerts,
    )


def failed_summary(summary: Summary, error: BaseException) -> Summary:
    """Return the summary of a run that ended with an error."""
    lines = str(error).splitlines()
    text = lines[0] if lines else type(error).__name__
    return replace(summary, status="failed", error=text)


def check_strict(summary: Summary) -> None:
    """Raise DataError, when `[scoring] strict`, for what was not scored and for alerts."""
    problems = [*summary.quarantined, *summary.alerts.values()]
    if problems:
        raise DataError(
            f"{'; '.join(problems)}: [scoring] strict makes that a failure of the run; everything "
            f"else is scored by {summary.model} ({summary.partitions} partitions, "
            f"{summary.current} were up to date). Fix it and run again"
        )


def summary_fields(summary: Summary) -> dict[str, object]:
    """Return the fields of the line in the log."""
    counts = {
        "status": summary.status,
        "model": summary.model,
        "files": summary.files,
        "new": summary.files_new,
        "changed": summary.files_changed,
        "deleted": summary.files_deleted,
        "quarantined": len(summary.quarantined),
        "rows": summary.rows,
        "scored": summary.scored,
        "flagged": summary.flagged,
        "suppressed": sum(summary.suppressed.values()),
        "not_scored": sum(summary.not_scored.values()),
        "events": summary.events["new"] + summary.events["changed"],
        "partitions": summary.partitions,
        "current": summary.current,
        "withdrawn": len(summary.withdrawn),
        "deferred": len(summary.deferred),
    }
    timing = {"newest": summary.newest, "age_s": summary.age, "seconds": summary.seconds}
    return counts | {name: value for name, value in timing.items() if value is not None}
