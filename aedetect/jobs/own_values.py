"""What each column does by itself, estimated from the rows that a network learns from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aedetect.detector import Series
from aedetect.detector.own_values import OwnValues, changes_of, learn_own_values
from aedetect.preprocessing import Part, Preparation, Windows

_MOST = 200_000  # rows of each part, evenly spaced


def estimate_own_values(
    preparation: Preparation, series: Series, windows: Mapping[Part, Windows]
) -> OwnValues:
    """Estimate what each column does by itself from the learning and the validation rows."""
    parts = [windows[part] for part in (Part.LEARN, Part.VALIDATE)]
    rows = np.sort(np.concatenate([each.thin(_MOST).ends for each in parts]))
    columns, length = len(preparation.owner), parts[0].length
    return learn_own_values(
        series.matrix[rows, :columns],
        changes_of(series.matrix, series.back, rows, columns=columns, length=length),
        series.observed[rows],
        series.entity[rows],
        entities=len(preparation.entities),
    )
