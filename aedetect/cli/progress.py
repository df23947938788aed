"""Long work shows progress on a terminal and plain lines in a log, both made of log events."""

from __future__ import annotations

import logging
import sys
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
)

# Events that stay on the terminal when the bar has gone.
SAID = {
    "note": "note: {text}",
    "calibrated": "threshold {threshold:.4g}, from {windows:,} held-out windows, flags at most "
    "{rate:.2%} of normal rows, in {per_day:.2g} ({low:.2g} to {high:.2g}) events a day; {own} "
    "entities have a threshold of their own",
    "elsewhere": "with {setting} it would be {threshold:.4g}",
    "compared": "{variant}: average precision {precision:.3f} on planted anomalies, "
    "{seconds:.1f} s of training",
}


class _Bar(logging.Handler):
    """Moves a progress bar for each event."""

    def __init__(self, bar: Progress, title: str) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task(title, total=None)

    def emit(self, record: logging.LogRecord) -> None:
        """Show one event."""
        fields = getattr(record, "fields", {})
        event = getattr(record, "event", "")
        if event in SAID:
            said = SAID[event].format(**fields)
            self._bar.console.print(f"  {said}", markup=False, highlight=False)
        elif event == "epoch":
            text = f"epoch loss {fields['loss']:.4f}, validation {fields['validation']:.4f}"
            self._bar.update(
                self._task, description=text, total=fields["most"], completed=fields["number"]
            )
        elif event == "plan":
            self._bar.update(self._task, total=fields["partitions"], completed=0)
        elif event == "partition":
            self._bar.update(self._task, description=f"scored {fields['partition']}", advance=1)


class _Lines(logging.Handler):
    """Prints each event as a line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one event."""
        print(record.getMessage(), file=sys.stderr, flush=True)  # noqa: T201 - this is the log


@contextmanager
def progress(title: str) -> Iterator[None]:
    """Show what the library does while the body runs, on stderr."""
    console = Console(stderr=True)
    logger = logging.getLogger("aedetect")
    logger.setLevel(logging.INFO)
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
    )
    with (
        Progress(*columns, console=console, transient=True) as bar,
        _handling(logger, _Bar(bar, title)),
    ):
        yield


@contextmanager
def _handling(logger: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    logger.addHandler(handler)
    logger.propagate = False  # Prefect would print each event a second time
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
