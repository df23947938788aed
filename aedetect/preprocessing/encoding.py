"""Categories and the calendar as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from aedetect.arrays import Float64, Int64
    from aedetect.data import Feature
    from aedetect.wall_clock import WallClock


def encoded_widths(features: Sequence[Feature]) -> list[int]:
    """Return how many columns each feature takes: one for a number, one for each category."""
    return [max(len(feature.categories), 1) for feature in features]


def encode_categories(values: Float64, features: Sequence[Feature]) -> Float64:
    """Spread categories over one column each: (R, F) -> (R, D). A category never seen is all 0."""
    if not any(feature.is_text for feature in features):
        return values
    columns = []
    for index, feature in enumerate(features):
        column = values[:, index : index + 1]
        if feature.is_text:
            hot = (column == np.arange(len(feature.categories))).astype(np.float64)
            column = np.where(np.isnan(column), np.nan, hot)
        columns.append(column)
    return np.hstack(columns)


def encode_calendar(time: Int64, context: Sequence[str], clock: WallClock | None = None) -> Float64:
    """Return sine and cosine of hour and weekday, as the clock shows them (UTC): (R, K)."""
    columns: list[Float64] = []
    shown = time if clock is None or not context else time + clock.offset(time)
    moments = pa.array(shown, pa.timestamp("ns")) if context else None
    for name in context:
        if name == "hour":
            turns = pc.add(
                pc.divide(pc.cast(pc.minute(moments), pa.float64()), 60.0), pc.hour(moments)
            )
            turns = pc.divide(turns, 24.0)
        else:
            turns = pc.divide(pc.cast(pc.day_of_week(moments), pa.float64()), 7.0)
        angle = 2 * np.pi * turns.to_numpy(zero_copy_only=False)
        columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1) if columns else np.empty((len(time), 0))
