"""Progress of long commands from log events: a bar on a terminal, the same words as plain lines.

The lines for machines are not shown: only where a command is, and what people need to know. Where
there is no terminal, what comes often (epochs, partitions) is a line every few seconds.
`--log FILE` writes the events themselves, one a line.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

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
from aedetect.timestamps import length_text

logger = logging.getLogger("aedetect.cli")

# Events that are printed above the progress bar and remain on the terminal. What the command says
# at its end is not among them.
MESSAGES = {
    "note": "note: {text}",
    "candidate": "{variant}, shapes {shapes:g}: average precision {injected:.3f} on segments "
    "injected among held-out rows, least {least:.3f} ({worst}){labels}; held-out scores "
    "{drift:.2f} times as high later",
    "chosen": "variant {variant} is used: average precision {lead:+.3f} against the next; {why}",
    "compared": "{variant}: average precision {precision:.3f} on injected anomalies, "
    "{seconds:.1f} s of training",
}
EVERY = 5.0  # seconds between lines
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


@dataclass(frozen=True)
class _Where:
    """Where a command is: what it does, and how much of it is done."""

    text: str
    total: int | None = None
    done: int = 0


def _where(event: str, fields: Mapping[str, Any], pace: _Pace) -> _Where | None:
    """Return where a command is after an event; None if that event does not tell."""
    if event == "step":
        return _Where(fields["text"], fields.get("of"), fields.get("number", 0))
    if event == "epoch":
        text = f"training, validation loss {fields['validation_loss']:.4f}"
        return _Where(text, fields["most"], fields["number"])
    if event == "plan":
        pace.plan(fields["partitions"])
        return _Where("scoring", fields["partitions"] or None)
    if event in {"partition", "deferred"}:
        pace.partition(fields.get("rows", 0))
        text = f"scored {fields['partition']}, {pace.speed:,.0f} rows/s"
        return _Where(text, pace.total or None, pace.done)
    return None


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
        fields, event = getattr(record, "fields", {}), getattr(record, "event", "")
        if event in self._said:
            return
        if event in MESSAGES:
            text = MESSAGES[event].format(**fields)
            self._bar.console.print(f"  {text}", markup=False, highlight=False)
        elif at := _where(event, fields, self._pace):
            self._bar.update(self._task, description=at.text, completed=at.done)
            self._bar.tasks[0].total = at.total  # `update` cannot set None


class _Lines(logging.Handler):
    """Prints where a command is; what comes often every few seconds, and at its end."""

    def __init__(self, said: Collection[str]) -> None:
        super().__init__()
        self._said = said
        self._pace = _Pace()
        self._last = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one event, unless another line is young."""
        fields, event = getattr(record, "fields", {}), getattr(record, "event", "")
        if event in self._said:
            return
        if event in MESSAGES:
            self._print(MESSAGES[event].format(**fields))
        elif at := _where(event, fields, self._pace):
            last = event != "epoch" and at.total is not None and at.done == at.total
            if last or time.monotonic() - self._last >= EVERY:
                self._print(self._line(at))

    def _line(self, at: _Where) -> str:
        """Return such as "scored 2026-01-03, 512 rows/s: 3 of 20, 12s left"."""
        if at.total is None or not at.done:
            return at.text
        rest = (
            f", {length_text(self._pace.left)} left" if self._pace.done < self._pace.total else ""
        )
        return f"{at.text}: {at.done} of {at.total}{rest}"

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        print(f"  {text}", file=sys.stderr, flush=True)  # noqa: T201


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
