"""Settings of training: `[training]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Duration, learning rate and data selection of training: `[training]`."""

    epochs: Annotated[int, Ge(1)] | None = None  # at most; None: 10, more with few rows
    batch_size: Annotated[int, Ge(1)] = 256  # windows
    learning_rate: Annotated[float, Gt(0)] = 4e-3  # the largest; see descent.py
    patience: Annotated[int, Ge(1)] = 4  # epochs without a better validation loss before stopping
    # share of the training rows with the largest error, which are suspect and excluded
    trim: Annotated[float, Ge(0), Lt(0.5)] = 0.0
    seed: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    # rows of events labelled false alarms: added as normal rows, or excluded
    false_alarms: Literal["normal", "exclude"] = "normal"
    # of the newest rows of `[data] train` and `[scoring] input`; None: all of `[data] train`
    window: str | None = None
    schedule: str | None = None  # cron of retraining, in the zone of the data
    on_drift: bool = False  # train again when all entities have shifted
    max_age: str | None = None  # age of what the champion knows, from which to train again
    hold_off: str = "7d"  # between two trainings for drift or age, at least


FalseAlarms = Literal["normal", "exclude"]
