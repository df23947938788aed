"""How runs end: one line for people, a traceback only where a programmer has to look."""

from __future__ import annotations

import logging
from typing import Any, TypeVar, cast

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from aedetect.errors import AedetectError
from aedetect.secrets import mask
from pipelines.naming import failed_name, rename

_T = TypeVar("_T")
_SENDERS = ("EventsWorker", "APILogWorker")  # of Prefect, which send in the background
_APART = 60.0  # seconds, after which a warning about what is left is a first one again


def completed(result: _T, message: str) -> _T:
    """Return what a flow returns, with a message that Prefect shows beside its state.

    It is a state: Prefect hands its data, the result, to who called the flow.
    """
    return cast("_T", Completed(data=result, message=" ".join(message.split())))


def failed(error: Exception) -> State[Any]:
    """Log an error, rename this flow run after it, and return the state to return from the flow.

    Prefect would log a traceback of an error that is raised, also of one that says what to do.
    """
    logger, text = get_run_logger(), one_line(error)
    if isinstance(error, AedetectError):
        logger.error(text)
    else:
        logger.error(text, exc_info=error)
        text = f"{text} (unexpected: the traceback is in the log)"
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None and context.flow is not None:
        rename(failed_name(context.flow_run.name, context.flow.name))
    return Failed(message=text, data=error)


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line; foreign ones begin with their type.

    >>> one_line(AedetectError("no file")), one_line(KeyError("a")), one_line(OSError())
    ('no file', "KeyError: 'a'", 'OSError')
    >>> one_line(OSError("postgresql://me:password@db is away"))
    'OSError: postgresql://***@db is away'
    """
    text = mask(" ".join(str(error).split()))
    if isinstance(error, AedetectError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def quiet_tracebacks() -> None:
    """Let Prefect log errors of aedetect in tasks without a traceback."""
    logging.getLogger("prefect.task_runs").addFilter(_in_one_line)


def quiet_remainders() -> None:
    """Let Prefect end without telling what it has left to send, unless that takes seconds.

    A process that ends waits until events and lines of the log are sent; Prefect warns of each rest
    at once, were it of a millisecond, and every four seconds then.
    """
    for name in _SENDERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, _IfItLasts) for each in logger.filters):
            logger.addFilter(_IfItLasts())


class _IfItLasts(logging.Filter):
    """Drops the first of the warnings that follow each other."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -_APART

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        if not record.getMessage().startswith("Still processing items"):
            return True
        follows = record.created - self._last < _APART
        self._last = record.created
        return follows


def _in_one_line(record: logging.LogRecord) -> bool:
    """Make a record about an error of aedetect one line."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if isinstance(error, AedetectError):
        record.msg, record.args, record.exc_info = one_line(error), (), None
    return True
