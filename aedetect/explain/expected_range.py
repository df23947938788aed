"""Expected values clipped to the training range, and features outside their limits.

Without clipping, a network may for example expect negative disk usage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.output.schemas import OUTSIDE

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float32, Float64, Int64
    from aedetect.detector import Scored
    from aedetect.preprocessing import Preparation


from collections.abc import Sequence

from aedetect.arrays import Float64
from aedetect.data import Feature


def clip_to_training_range(features: Sequence[Feature], expected: Float64) -> Float64:
    """Clip original units to the range of each feature in the normal rows: (M, F) -> (M, F).

    >>> clip_to_training_range(
    ...     [Feature("rain", "number", low=0.0, high=80.0)], np.array([[-3.0]])
    ... ).tolist()
    [[0.0]]
    """
    low = np.array([-np.inf if each.low is None else each.low for each in features])
    high = np.array([np.inf if each.high is None else each.high for each in features])
    return np.clip(expected, low, high)


def outside_limits(
    preparation: Preparation, scored: Scored, values: Float64, limits: Float32
) -> pa.ListArray:
    """List the features whose raw values (M, F) are outside expected -/+ limits (M, D).

    Limits are in model units; low and high are in original units, clipped to the training range. A
    text column is outside when another category has the largest expected value: `feature` names
    that category ("state=on"), low and high are null. A missing value is not outside.
    """
    known = scored.entity if preparation.entities else np.zeros_like(scored.entity)
    expected = scored.expected.astype(np.float64)
    first = preparation.first_columns
    with np.errstate(over="ignore"):  # a limit far beyond all values has no effect
        low, high = (
            preparation.inverse_transform(expected + sign * limits, known)[:, first]
            for sign in (-1.0, 1.0)
        )
    found = (values < low) | (values > high)
    low, high = (clip_to_training_range(preparation.features, each) for each in (low, high))
    label = np.tile(first, (len(values), 1))
    for index, feature in enumerate(preparation.features):
        if feature.is_text:
            columns = slice(first[index], first[index] + len(feature.categories))
            likeliest = preparation.inverse_transform(expected, known)[:, columns].argmax(axis=1)
            found[:, index] = (values[:, index] != likeliest) & ~np.isnan(values[:, index])
            label[:, index] += likeliest
            low[:, index] = high[:, index] = np.nan
    return _lists(preparation, found, label, low, high)


def _lists(
    preparation: Preparation, found: Bool, label: Int64, low: Float64, high: Float64
) -> pa.Array:
    columns = (
        pa.array(_labels(preparation)).take(pa.array(label[found])),
        pa.array(low[found], from_pandas=True),
        pa.array(high[found], from_pandas=True),
    )
    structs = pa.StructArray.from_arrays(columns, fields=list(OUTSIDE.value_type))
    offsets = np.concatenate([[0], found.sum(axis=1).cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), structs).cast(OUTSIDE)


def _labels(preparation: Preparation) -> list[str]:
    """Return all values of `feature`: for a category, one per known value."""
    labels = []
    for feature in preparation.features:
        name = feature.name
        labels += (
            [f"{name}={v}" for v in feature.categories] if feature.is_text else [feature.label]
        )
    return labels
