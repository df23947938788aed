"""The work on one of many detectors, as a process or a worker of a cluster does it."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import Any

from aedetect.errors import AedetectError, RunFailed
from aedetect.logs import muted


def packed_result(work: Callable[[Any], object], item: bytes) -> bytes:
    """Do the work on a packed item; its result, or an error, packed.

    An error is a result, since the others are to go on and a retry would give the same. Steps,
    notes and epochs of one of many are not logged: its error and its record tell of it.
    """
    given = pickle.loads(item)  # noqa: S301 - from the process that runs the job
    result: object
    try:
        with muted({"aedetect": logging.CRITICAL}):
            result = work(given)
    except AedetectError as error:
        result = error
    except Exception as error:
        result = RunFailed(f"unexpected {type(error).__name__}: {error}")
    return pickle.dumps(result)
