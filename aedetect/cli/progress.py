"""Progress of long commands from log events: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

# Events that are printed above the progress bar and remain on the terminal.
MESSAGES = {
    "note": "note: {text}",
    "calibrated": "threshold {threshold:.4g}, from {windows:,} held-out windows, flags at most "
    "{rate:.2%} of normal rows, in {per_day:.2g} ({low:.2g} to {high:.2g}) events a day; {own} "
    "entities have a threshold of their own",
    "candidate": "{variant}: average precision {injected:.3f} on segments injected among held-out "
    "rows, least {least:.3f} ({worst}); held-out scores {drift:.2f} times as high later",
    "chosen": "variant {variant} is used: {lead:+.3f} against the next, {why}",
    "elsewhere": "with {setting} it would be {threshold:.4g}",
    "compared": "{variant}: average precision {precision:.3f} on injected anomalies, "
    "{seconds:.1f} s of training",
}


class _Pace:
    """Counts of scored partitions and rows, and their rate, from the events of a run."""

    def __init__(self) -> None:
        self.total = self.done = self.rows = 0
        self._begin = time.monotonic()

    def plan(self, total: int) -> None:
        """Reset the counts."""
        self.total, self.done, self.rows, self._begin = total, 0, 0, time.monotonic()

    def partition(self, rows: int) -> None:
        """Count a partition."""
        self.done, self.rows = self.done + 1, self.rows + rows

    @property
    def speed(self) -> float:
        """Rows per second."""
        return self.rows / max(time.monotonic() - self._begin, 1e-9)

    @property
    def left(self) -> float:
        """Estimated seconds left, if the remaining partitions take as long as the finished ones."""
        spent = time.monotonic() - self._begin
        return spent / max(self.done, 1) * (self.total - self.done)


class _Bar(logging.Handler):
    """Updates a progress bar for each event."""

    def __init__(self, bar: Progress, title: str) -> None:
        super().__init__()
        self._pace = _Pace()
        self._bar = bar
        self._task = bar.add_task(title, total=None)

    def emit(self, record: logging.LogRecord) -> None:
        """Show one event."""
        fields = getattr(record, "fields", {})
        event = getattr(record, "event", "")
        if event in MESSAGES:
            text = MESSAGES[event].format(**fields)
            self._bar.console.print(f"  {text}", markup=False, highlight=False)
        elif event == "epoch":
            text = f"epoch loss {fields['loss']:.4f}, validation {fields['validation']:.4f}"
            self._bar.update(
                self._task, description=text, total=fields["most"], completed=fields["number"]
            )
        elif event == "plan":
            self._pace.plan(fields["partitions"])
            self._bar.update(self._task, total=fields["partitions"], completed=0)
        elif event in {"partition", "deferred"}:
            self._pace.partition(fields.get("rows", 0))
            text = f"scored {fields['partition']}, {self._pace.speed:,.0f} rows/s"
            self._bar.update(self._task, description=text, advance=1)


class _Lines(logging.Handler):
    """Prints each event as a line; partition events include the progress of the run."""

    def __init__(self) -> None:
        super().__init__()
        self._pace = _Pace()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one event."""
        print(record.getMessage() + self._progress_fields(record), file=sys.stderr, flush=True)  # noqa: T201

    def _progress_fields(self, record: logging.LogRecord) -> str:
        """Return the progress of the run and the estimated time left, for partition events."""
        event, fields = getattr(record, "event", ""), getattr(record, "fields", {})
        if event == "plan":
            self._pace.plan(fields["partitions"])
        if event not in {"partition", "deferred"}:
            return ""
        pace = self._pace
        pace.partition(fields.get("rows", 0))
        speed = f"rows_per_s={pace.speed:.0f}"
        return f" done={pace.done}/{pace.total} {speed} left_s={pace.left:.0f}"


@contextmanager
def progress(title: str) -> Iterator[None]:
    """Show progress on stderr while the body runs."""
    console = Console(stderr=True)
    logger = logging.getLogger("aedetect")
    if not console.is_terminal:
        with _handling(logger, _Lines()):
            yield
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with (
        Progress(*columns, console=console, transient=True) as bar,
        _handling(logger, _Bar(bar, title)),
    ):
        yield


@contextmanager
def _handling(logger: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # Prefect would print each event a second time
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
