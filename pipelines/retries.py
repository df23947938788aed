"""How often a stage is retried, and after how long; with Prefect or without."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from aedetect.errors import DeliveryError

DELAYS = [2.0, 10.0]  # seconds
_T = TypeVar("_T")
_R = TypeVar("_R")


def retried(stage: Callable[[_T], _R]) -> Callable[[_T], _R]:
    """Return a delivery that is tried again, as its task is: a database may be back."""

    def deliver(given: _T) -> _R:
        for delay in DELAYS:
            try:
                return stage(given)
            except DeliveryError:
                time.sleep(delay)
        return stage(given)

    return deliver
