"""How a network is trained: `[training]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How long and how fast to learn: `[training]`."""

    epochs: Annotated[int, Ge(1)] | None = None  # at most; None: 20, more when rows are few
    batch_size: Annotated[int, Ge(1)] = 256  # windows
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    patience: Annotated[int, Ge(1)] = 4  # epochs without a better validation loss before stopping
    # share of the rows to learn from that fit worst, which are distrusted and not learnt from
    trim: Annotated[float, Ge(0), Lt(0.5)] = 0.0
    seed: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    # events labelled false alarms: their rows join as normal, or are left out
    false_alarms: Literal["normal", "exclude"] = "normal"
    schedule: str | None = None  # cron, UTC, to learn anew


FalseAlarms = Literal["normal", "exclude"]
