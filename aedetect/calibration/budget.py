"""An alert budget as people write it: "2 per day"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from aedetect.errors import ConfigError

BudgetPeriod = Literal["hour", "day", "week", "month"]
_DAYS: dict[str, float] = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 365.25 / 12}
_PATTERN = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*(?:per|a|an|/)\s*(hour|day|week|month)\s*(per\s+entity|each)?\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Budget:
    """The number of events per day, in total or for each entity."""

    per_day: float
    per_entity: bool


def parse_budget(text: str) -> Budget:
    """Read a budget such as "2 per day" or "1 per week per entity". Raises ConfigError.

    >>> parse_budget("14 per week per entity")
    Budget(per_day=2.0, per_entity=True)
    """
    match = _PATTERN.fullmatch(text)
    if match is None or not float(match[1]):
        raise ConfigError(
            "[calibration] alert_budget must be a number of events per hour, day, week or month, "
            f'got "{text}"; write for example "2 per day" or "1 per week per entity"'
        )
    return Budget(float(match[1]) / _DAYS[match[2].lower()], per_entity=bool(match[3]))
