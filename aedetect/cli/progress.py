"""Progress of long commands from log events: a bar on a terminal, plain lines in a log.

On a terminal the lines for machines are not shown: only the bar, and what people need to know. In a
log, what comes often (epochs, partitions) is a line every few seconds.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from aedetect.logs import log_event

logger = logging.getLogger("aedetect.cli")

# Events that are printed above the progress bar and remain on the terminal. What the command says
# at its end is not among them.
MESSAGES = {
    "note": "note: {text}",
    "candidate": "{variant}, shapes {shapes:g}: average precision {injected:.3f} on segments "
    "injected among held-out rows, least {least:.3f} ({worst}){labels}; held-out scores "
    "{drift:.2f} times as high later",
    "chosen": "variant {variant} is used: {lead:+.3f} against the next, {why}",
    "compared": "{variant}: average precision {precision:.3f} on injected anomalies, "
    "{seconds:.1f} s of training",
}
EVERY = 5.0  # seconds between lines of events that come often
_OFTEN = ("epoch", "partition", "deferred", "step")
_NARROW = 60  # columns; below it there is no room for a bar


def step(text: str) -> None:
    """Say what a command does now; nothing is printed unless it takes long."""
    log_event(logger, "step", text=text)


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

    def __init__(self, bar: Progress, title: str, said: Collection[str]) -> None:
        super().__init__()
        self._said = said
        self._pace = _Pace()
        self._bar = bar
        self._task = bar.add_task(title, total=None)

    def emit(self, record: logging.LogRecord) -> None:
        """Show one event."""
        fields = getattr(record, "fields", {})
        event = getattr(record, "event", "")
        if event in self._said:
            return
        if event in MESSAGES:
            text = MESSAGES[event].format(**fields)
            self._bar.console.print(f"  {text}", markup=False, highlight=False)
        elif event == "step":
            self._show(fields["text"], fields.get("of"), fields.get("number", 0))
        elif event == "epoch":
            text = f"training, validation loss {fields['validation_loss']:.4f}"
            self._show(text, fields["most"], fields["number"])
        elif event == "plan":
            self._pace.plan(fields["partitions"])
            self._show("scoring", fields["partitions"] or None, 0)
        elif event in {"partition", "deferred"}:
            self._pace.partition(fields.get("rows", 0))
            text = f"scored {fields['partition']}, {self._pace.speed:,.0f} rows/s"
            self._show(text, self._pace.total or None, self._pace.done)

    def _show(self, text: str, total: int | None, completed: int) -> None:
        self._bar.update(self._task, description=text, completed=completed)
        self._bar.tasks[0].total = total  # `update` cannot set None


class _Lines(logging.Handler):
    """Prints events as lines; those that come often every few seconds."""

    def __init__(self, said: Collection[str]) -> None:
        super().__init__()
        self._said = said
        self._pace = _Pace()
        self._last = time.monotonic()
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one event, unless another line of its kind is young."""
        more, now = self._progress_fields(record), time.monotonic()
        event = getattr(record, "event", "")
        first = event not in self._seen and event != "step"
        last = event in {"partition", "deferred"} and self._pace.done == self._pace.total
        self._seen.add(event)
        if event in self._said:
            return
        if event in _OFTEN and not (first or last) and now - self._last < EVERY:
            return
        self._last = now
        print(record.getMessage() + more, file=sys.stderr, flush=True)  # noqa: T201

    def _progress_fields(self, record: logging.LogRecord) -> str:
        """Return the progress of the run and the estimated time left, for partition events."""
        event, fields = getattr(record, "event", ""), getattr(record, "fields", {})
        if event == "plan":
            self._pace.plan(fields["partitions"])
            self._seen -= {"partition", "deferred"}
        if event not in {"partition", "deferred"}:
            return ""
        pace = self._pace
        pace.partition(fields.get("rows", 0))
        speed = f"rows_per_s={pace.speed:.0f}"
        return f" done={pace.done}/{pace.total} {speed} left_s={pace.left:.0f}"


class _Count(ProgressColumn):
    """How much is done of how much, and the time left; nothing while that is unknown."""

    def render(self, task: Task) -> Text:
        """Return such as "3/20 0:12 left"."""
        if task.total is None:
            return Text("")
        left = task.time_remaining
        rest = "" if not left else f" {int(left) // 60}:{int(left) % 60:02} left"
        return Text(f"{int(task.completed)}/{int(task.total)}{rest}")


@contextmanager
def progress(title: str, *, said: Collection[str] = ()) -> Iterator[None]:
    """Show progress on stderr while the body runs, without the events that are said elsewhere."""
    console = Console(stderr=True)
    events = logging.getLogger("aedetect")
    if not console.is_terminal or console.is_dumb_terminal:
        with _handling(events, _Lines(said)):
            yield
        return
    words = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    wide: list[ProgressColumn] = [BarColumn(bar_width=20)] if console.width >= _NARROW else []
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=words),
        *wide,
        _Count(),
        TimeElapsedColumn(),
    )
    with (
        Progress(*columns, console=console, transient=True, expand=True) as bar,
        _handling(events, _Bar(bar, title, said)),
    ):
        yield


@contextmanager
def _handling(events: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    level, propagate = events.level, events.propagate
    events.addHandler(handler)
    events.setLevel(logging.INFO)
    events.propagate = False  # Prefect would print each event a second time
    try:
        yield
    finally:
        events.removeHandler(handler)
        events.setLevel(level)
        events.propagate = propagate
