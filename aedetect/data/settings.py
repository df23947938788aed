"""Settings of the training data and its columns: `[data]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Training data, and the meaning of its columns: `[data]`."""

    train: str | tuple[str, ...]  # file, folder, glob or URL
    timestamp: str
    entity: str | None = None  # machine, sensor or service; None: all rows are one series
    features: tuple[str, ...] = ()  # names or patterns ("sensor_*"); empty: all other columns
    exclude: tuple[str, ...] = ()  # names or patterns
    label: str | None = None  # true or 1 marks a known anomaly; never a feature
    normal: str | None = None  # SQL filter for normal operation
    frequency: str | None = None  # duration between rows; None: the median in the data
    timezone: str | None = None  # of days, hours and texts; None: that of the timestamps
    max_gap: str | None = None  # longest step inside a window; None: 5 x frequency
    context: tuple[Literal["hour", "weekday"], ...] = ()  # seen by the model, never reconstructed
    missing_values: tuple[float, ...] = ()  # numbers that stand for a missing value
    fill_values: Literal["missing", "keep"] = "missing"  # what looks like one in the training data
    # columns that only grow: found in the training data, none, or these (names or patterns)
    counters: Literal["auto", "keep"] | tuple[str, ...] = "auto"
    units: Mapping[str, str] = field(default_factory=dict)  # of features, for display

    @property
    def sources(self) -> tuple[str, ...]:
        """The training locations as a tuple."""
        return (self.train,) if isinstance(self.train, str) else self.train
