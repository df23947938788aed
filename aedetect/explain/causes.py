"""Causes of an anomalous row: the share of each feature, its observed and its expected value."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aedetect.explain.expected_range import clip_to_training_range
from aedetect.output.schemas import CAUSE, CAUSES, GIVEN_OTHERS, IN_ITSELF

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float32, Float64, Int8, Int64
    from aedetect.detector import Scored
    from aedetect.preprocessing import Preparation

_T = TypeVar("_T", bound=np.generic)


def rank_causes(preparation: Preparation, scored: Scored, values: Float64) -> pa.ListArray:
    """Explain flagged rows from their raw values (M, F): a list of M lists of F causes.

    The share of a feature is its part of the blame: of its residual from the counterfactual, the
    normal row that the model expects instead, and of how unusual its value is in itself (see
    `counterfactual`). A column that broke a rule comes before all others. Shares of a row sum to 1
    and are sorted, largest first. `unusual` says whether the value is unusual in itself, or only
    given those of the others. For a categorical feature, `feature` names the observed value
    ("state=off"); observed is 1, and expected is the model output for that value.
    """
    share = _shares(scored)
    order = np.argsort(-share, axis=1, kind="stable")
    observed, expected = _in_units(preparation, scored, values)
    columns = (
        pa.array(_labels(preparation)).take(
            pa.array(_sorted(_label_codes(preparation, values), order))
        ),
        pa.array(_sorted(share, order)),
        pa.array(_sorted(observed, order), from_pandas=True),
        pa.array(_sorted(expected, order)),
        pa.array([GIVEN_OTHERS, IN_ITSELF]).take(
            pa.array(_sorted(scored.alone, order).astype(int))
        ),
    )
    structs = pa.StructArray.from_arrays(columns, fields=list(CAUSE))
    offsets = np.arange(len(values) + 1, dtype=np.int32) * len(preparation.features)
    return pa.ListArray.from_arrays(pa.array(offsets), structs).cast(CAUSES)


def blame_rules(blamed: Float32, broken: Int8, distance: Float64, *, alone: Bool) -> Float32:
    """Blame the columns that broke a rule before all others: (M, F) each.

    Of several cells far out, the furthest is blamed most: distance, 0 for cells that are not.
    Beside them, only columns that are unusual by themselves are blamed: such a row may be an
    anomaly by its rule alone. The threshold has no part in it, so that a new one leaves the causes
    as they are.
    """
    rules = broken > 0
    others = np.where(alone, blamed, 0)
    most = others.sum(axis=1, keepdims=True) + others.max(axis=1, keepdims=True, initial=0)
    furthest = distance.max(axis=1, keepdims=True, initial=0)
    order = 1 + distance / np.where(furthest > 0, furthest, 1)
    first = np.where(rules, order * np.where(most > 0, most, 1), others)
    return np.where(rules.any(axis=1, keepdims=True), first, blamed).astype(np.float32)


def _shares(scored: Scored) -> Float64:
    """Return the share of each feature: (M, F); shares of the score where the residual is 0."""
    has_residual = scored.blamed.sum(axis=1, keepdims=True) > 0
    parts = np.where(has_residual, scored.blamed, scored.errors).astype(np.float64)
    shares: Float64 = parts / parts.sum(axis=1, keepdims=True)
    return shares


def _sorted(values: npt.NDArray[_T], order: Int64) -> npt.NDArray[_T]:
    return np.take_along_axis(values, order, axis=1).ravel()


def _in_units(preparation: Preparation, scored: Scored, values: Float64) -> tuple[Float64, Float64]:
    """Return observed and expected values in original units: (M, F), (M, F)."""
    known = scored.entity if preparation.entities else np.zeros_like(scored.entity)
    columns = preparation.inverse_transform(scored.expected.astype(np.float64), known)
    first = preparation.first_columns
    observed, expected = (
        values.copy(),
        clip_to_training_range(preparation.features, columns[:, first]),
    )
    rows = np.arange(len(values))
    for index, feature in enumerate(preparation.features):
        if feature.is_text:
            code = np.nan_to_num(values[:, index], nan=-1).astype(np.int64)
            given = columns[rows, first[index] + np.maximum(code, 0)]
            expected[:, index] = np.where(code >= 0, given, 0.0)
            observed[:, index] = np.where(np.isnan(values[:, index]), np.nan, 1.0)
        else:
            constant = scored.constant[:, index]
            expected[:, index] = np.where(np.isnan(constant), expected[:, index], constant)
    return observed, expected


def _labels(preparation: Preparation) -> list[str]:
    """Return all values of `feature`: for a category, one per known value and one for new ones."""
    labels = []
    for feature in preparation.features:
        values = ("(new)", *feature.categories)
        labels += [f"{feature.name}={v}" for v in values] if feature.is_text else [feature.label]
    return labels


def _label_codes(preparation: Preparation, values: Float64) -> Int64:
    """Return the index of each cell's label: (M, F)."""
    codes = np.zeros(values.shape, dtype=np.int64)
    offset = 0
    for index, feature in enumerate(preparation.features):
        seen = (
            np.nan_to_num(values[:, index], nan=-1).astype(np.int64) + 1 if feature.is_text else 0
        )
        codes[:, index] = offset + seen
        offset += len(feature.categories) + 1 if feature.is_text else 1
    return codes
