"""Structured log events: a name and fields, formatted as logfmt."""

from __future__ import annotations

import logging

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


def _plain(value: object) -> str:
    if isinstance(value, float) and _LARGE <= abs(value) < _HUGE:
        return f"{value:.0f}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
