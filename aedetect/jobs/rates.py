"""The sampling of the training rows: what is set, and what is learnt of each entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aedetect.data.rates import Rate, RateSettings
from aedetect.data.sampling import entity_rates, sampling_period
from aedetect.errors import TooFewRows
from aedetect.timestamps import parse_duration

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import Rows


def learn_rates(config: Config, rows: Rows) -> tuple[Rate, tuple[Rate, ...]]:
    """Return the sampling of all entities together, and of those that differ."""
    asked = rate_settings(config)
    period = asked.period or sampling_period(rows)
    if not period:
        raise TooFewRows(
            f"at least two normal rows of one entity are needed, got {len(rows)} rows of "
            f"{len(rows.names)} entities: give more rows, or check [data] entity"
        )
    rate = asked.rate(None, period)
    return rate, entity_rates(rows, period, asked)


def rate_settings(config: Config) -> RateSettings:
    """Return what is set of the sampling for all entities."""
    texts = (config.data.frequency, config.data.max_gap, config.prepare.missing_limit)
    period, max_gap, limit = (parse_duration(text) if text else None for text in texts)
    return RateSettings(period=period, max_gap=max_gap, missing_limit=limit)
