"""The record of runs: one row per run in `runs/` of the output, including failed runs.

Unlike the other output, it is not a function of the input: it contains clock times.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.errors import AedetectError, OutputError
from aedetect.events.table import EventChanges
from aedetect.logs import log_event
from aedetect.output import aside, publish, written
from aedetect.output.files import read_parquet
from aedetect.output.filesystem import is_remote
from aedetect.scoring.outcome_table import OUTCOME
from aedetect.scoring.run_pruning import DAY_FILE, RUNS, prune_runs
from aedetect.scoring.summary import Command, Summary, failed_summary, summary_fields, with_age
from aedetect.timestamps import parse_duration

Clock = Callable[[], datetime]  # aware
logger = logging.getLogger(__name__)

_BY_REASON = ("suppressed", "not_scored")  # rows
_RENAMED = {"unfit": "schema_mismatch", "held": "deferred"}

_TEXTS = pa.list_(pa.string())
_REASONS = pa.list_(pa.struct({"reason": pa.string(), "rows": pa.int64()}))
_MOMENT = pa.timestamp("us", tz="UTC")
# Columns are only added, at the end, so that the rows of all versions can be read together.
SCHEMA = pa.schema(
    {
        "run_id": pa.string(),
        "status": pa.string(),
        "model": pa.string(),
        "calibration_version": pa.int32(),
        "output": pa.string(),
        "started": _MOMENT,
        "seconds": pa.float64(),
        "files": pa.int64(),
        "files_new": pa.int64(),
        "files_changed": pa.int64(),
        "files_deleted": pa.int64(),
        "unreadable": _TEXTS,
        "schema_mismatch": _TEXTS,
        "undated": _TEXTS,
        "drift": pa.list_(
            pa.struct(dict.fromkeys(("file", "column", "change", "detail"), pa.string()))
        ),
        "newest": pa.string(),
        "age": pa.float64(),
        "rows": pa.int64(),
        "scored": pa.int64(),
        "flagged": pa.int64(),
        "suppressed": _REASONS,
        "not_scored": _REASONS,
        "events": pa.struct(dict.fromkeys(EventChanges().counts, pa.int64())),
        "partitions": pa.int64(),
        "since": pa.string(),
        "current": pa.int64(),
        "withdrawn": _TEXTS,
        "deferred": _TEXTS,
        "warnings": _TEXTS,
        "alerts": _TEXTS,
        "error": pa.string(),
        "command": pa.string(),
        "passed_over": _TEXTS,
        "outcome": pa.list_(OUTCOME),
        "last": pa.string(),
    }
)


class Record:
    """Record the summary of a run: called with it, adds times and returns the result."""

    def __init__(
        self, *, started: datetime | None, clock: Clock | None, stale_after: str | None
    ) -> None:
        """Without a clock, no times are added."""
        self.summary: Summary | None = None
        self._started, self._clock, self._stale_after = started, clock, stale_after

    def __call__(self, summary: Summary) -> Summary:
        """Add times, log the run in one line, and store the summary."""
        if self._clock is not None and self._started is not None:
            summary = with_age(
                summary, started=self._started, ended=self._clock(), stale_after=self._stale_after
            )
        for event, texts in (("warning", summary.warnings), ("alert", summary.alerts.values())):
            for text in texts:
                log_event(logger, event, text=text)
        log_event(logger, "scored", **summary_fields(summary))
        self.summary = summary
        return summary


@contextmanager
def recording_run(
    output: Path,
    *,
    model: str,
    clock: Clock | None,
    stale_after: str | None,
    run_id: str | None,
    keep: str = "90d",
    command: Command = "score",
    started: datetime | None = None,
) -> Iterator[Record]:
    """Yield a recorder for the summary of a run, and write its row at the end, also on failure.

    Then expired rows are removed.

    Without a clock, no row is written; it gives the start, unless that is known. A failed run gets
    a row with the error in one line; if that cannot be written either, the error of the run is
    raised.
    """
    started = (started or clock()) if clock is not None else None
    record = Record(started=started, clock=clock, stale_after=stale_after)
    name = run_id or uuid.uuid4().hex
    try:
        yield record
    except BaseException as error:
        if clock is not None and started is not None:
            summary = record.summary or with_age(
                Summary(status="failed", model=model, output=str(output), command=command),
                started=started,
                ended=clock(),
                stale_after=None,
            )
            with suppress(AedetectError, OSError):
                write_run(output, failed_summary(summary, error), run_id=name)
                _prune(output, started, keep)
        raise
    if record.summary is not None and clock is not None:
        write_run(output, record.summary, run_id=name)
        _prune(output, started, keep)


def _prune(output: Path, now: datetime | None, keep: str) -> None:
    """Remove expired rows; a failure to do so does not fail the run."""
    if now is None:
        return
    try:
        length = timedelta(microseconds=parse_duration(keep) // 1_000)
        prune_runs(output, now=now.astimezone(UTC), keep=length)
    except (AedetectError, OSError) as error:
        log_event(logger, "note", text=f"old runs are not removed: {error}")


def write_run(output: Path, summary: Summary, *, run_id: str) -> Path:
    """Write the row of a run with a start time; return its file. Raises OutputError."""
    assert summary.started is not None, "only a run with a clock is recorded"
    started = datetime.fromisoformat(summary.started).astimezone(UTC)
    name = f"{started:%Y%m%dT%H%M%S.%fZ}-{run_id[:8]}.parquet"
    target = output / RUNS / f"date={started:%Y-%m-%d}" / name
    with written(output):
        if not is_remote(output):
            output.mkdir(parents=True, exist_ok=True)
        with aside(output) as folder:
            pq.write_table(pa.Table.from_pylist([_row(summary, run_id)], SCHEMA), folder / RUNS)
            publish(folder / RUNS, target)
    return target


def read_runs(output: Path, *, limit: int) -> list[dict[str, Any]]:
    """Return the newest runs, the newest first: the columns of `runs/` as plain values.

    Raises OutputError if one of the files was not written by aedetect.
    """
    try:
        return _newest_rows(output, limit)
    except FileNotFoundError:  # merged with others of its day, or removed, in the meantime
        return _newest_rows(output, limit)


def _newest_rows(output: Path, limit: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for day in _newest_first(output / RUNS):
        paths = [path for path in _newest_first(day) if path.suffix == ".parquet"]
        joined = [path for path in paths if path.name == DAY_FILE]
        single = [path for path in paths if path.name != DAY_FILE][: limit - len(rows)]
        found = {row["run_id"]: row for path in (*joined, *single) for row in _read(path)}
        order = [(row["started"], name) for name, row in found.items()]
        rows += [found[name] for _, name in sorted(order, reverse=True)]
        if len(rows) >= limit:
            break
    return rows[:limit]


def _newest_first(folder: Path) -> list[Path]:
    """List a folder, newest first: the names are in the order of time."""
    if not folder.is_dir():
        return []
    return sorted(folder.iterdir(), key=lambda path: path.name, reverse=True)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = read_parquet(path).to_pylist()
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise OutputError(
            f"{path} is damaged or was not written by aedetect: remove it; nothing depends on it"
        ) from error
    for row in rows:
        for old, new in _RENAMED.items():  # written before the column had its name
            before = row.pop(old, None)
            row[new] = row.get(new) or before or []
        row["command"] = row.get("command") or "score"  # None: written before there were others
        row["outcome"] = row.get("outcome") or []  # likewise
        for name in _BY_REASON:
            row[name] = {each["reason"]: each["rows"] for each in row[name]}
    return rows


def _row(summary: Summary, run_id: str) -> dict[str, Any]:
    row = asdict(summary)
    row["started"] = datetime.fromisoformat(str(summary.started))
    row["alerts"] = list(summary.alerts.values())
    for name in _BY_REASON:
        row[name] = [{"reason": why, "rows": count} for why, count in row[name].items()]
    return row | {"run_id": run_id}
