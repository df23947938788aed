"""Structured log events: a name and fields, formatted as logfmt.

They are for machines, and go to a file only when asked for; the command line has its own words.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aedetect.errors import OutputError

_LARGE, _HUGE = 1e6, 1e15  # between them without an exponent
_LEVELS = {"note": logging.WARNING, "warning": logging.WARNING, "alert": logging.ERROR}


def log_event(logger: logging.Logger, event: str, /, **fields: object) -> None:
    """Log an event as logfmt, with the fields also on the record as `fields`.

    >>> logging.getLogger("x").setLevel(logging.ERROR)
    >>> log_event(logging.getLogger("x"), "epoch", number=1, loss=0.5)
    """
    level = _LEVELS.get(event, logging.INFO)
    if logger.isEnabledFor(level):
        line = " ".join([event, *(f"{key}={_plain(value)}" for key, value in fields.items())])
        logger.log(level, line, extra={"event": event, "fields": fields})


@contextmanager
def muted(levels: Mapping[str, int]) -> Iterator[None]:
    """Drop what some loggers say below a level each, in the body; their levels are restored."""
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def heard_notes() -> Iterator[list[str]]:
    """Collect the notes of the body, which are for people; yield the list that they go to.

    A program that has no handler for its log would see log lines on standard error: there they
    are the sentences alone.
    """
    events, notes = logging.getLogger("aedetect"), list[str]()
    alone = not events.hasHandlers()

    def keep(record: logging.LogRecord) -> bool:
        said = str(getattr(record, "fields", {}).get("text", record.getMessage()))
        vars(record)["said"] = said
        notes.append(said)
        return alone

    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.addFilter(keep)
    handler.setFormatter(logging.Formatter("aedetect: %(said)s"))
    events.addHandler(handler)
    try:
        yield notes
    finally:
        events.removeHandler(handler)


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Append the events of the body to a file, a line each with its time. Raises OutputError."""
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the log {path} cannot be written: {error.strerror}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    events = logging.getLogger("aedetect")
    level = events.level
    events.addHandler(handler)
    events.setLevel(logging.INFO)
    try:
        yield
    finally:
        events.removeHandler(handler)
        events.setLevel(level)
        handler.close()


def _plain(value: object) -> str:
    if isinstance(value, float) and _LARGE <= abs(value) < _HUGE:
        return f"{value:.0f}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
