"""Settings of the gate that a challenger must pass: `[promotion]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, kw_only=True)
class PromotionSettings:
    """When a challenger replaces the champion; factors are against the champion or a promise."""

    automatic: bool = False  # a version that passes becomes the champion when it is trained
    shadow: str | None = None  # time that a version scores beside the champion before it may be
    min_rows: Annotated[int, Gt(0)] = 500  # that neither version learnt, scored by both
    found: Annotated[float, Ge(0)] = 0.9  # anomalies found, relative to the champion
    volume: Annotated[float, Ge(1)] = 3.0  # factor between observed and predicted events
    agreement: Annotated[float, Ge(-1), Le(1)] = 0.2  # rank correlation with the champion's scores
    calibration: Annotated[float, Ge(1)] = 3.0  # factor between p-values and observed shares
    explained: Annotated[float, Ge(0)] = 0.7  # of hidden cells, relative to the champion
    # share of the rows it learnt that the champion flags, beyond that of recent rows
    flagged: Annotated[float, Ge(0), Le(1)] = 0.05
    known: Annotated[float, Ge(0), Le(1)] = 0.01  # share of them that are known anomalies
