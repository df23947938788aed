"""The two columns of one entity with the clearest curve: the plane of the 2-D figures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Bool, Float64
from aedetect.errors import NoData
from aedetect.figures.small_networks import ROWS, as_windows
from aedetect.preprocessing import Part

if TYPE_CHECKING:
    from aedetect.arrays import Float32
    from aedetect.preprocessing import Windows
    from aedetect.training import Ingested, PreparedRows

_ENTITIES = 8  # searched at most, those with the most rows
_COLUMNS = 40  # searched at most, those with the most values
_BINS = 15
_MIN_DISTINCT = 300  # values of a column; fewer give stripes, not a curve
_MAX_UNEXPLAINED = 0.2  # share of variance that a clear curve leaves unexplained
_LONGEST = 7.0  # standard deviations from end to end; longer data have a tail, not a curve
_UNCLEAR = 0.01  # weight of the gain of an unclear curve
_ROTATION = np.array([[1, 1], [1, -1]]) / np.sqrt(
    2
)  # to the principal axes of two standard columns
_TAIL = 0.01  # share of rows at each end of a column that is omitted


@dataclass(frozen=True)
class Plane:
    """Rows of two standardised columns: points (N, 2)."""

    points: Float32
    names: tuple[str, str]
    entity: str | None

    @property
    def learn(self) -> Windows:
        """Four of every five rows, for training."""
        return as_windows(self.points[np.arange(len(self.points)) % 5 > 0])

    @property
    def held_back(self) -> Windows:
        """Every fifth row, not used for training."""
        return as_windows(self.points[::5])

    @property
    def where(self) -> str:
        """The names of the columns, and of the entity."""
        pair = f"{self.names[0]} and {self.names[1]}"
        return pair if self.entity is None else f"{pair} of {self.entity}"

    @property
    def labels(self) -> dict[str, str]:
        """Names of the axes, with their unit."""
        across, up = (f"{name} (standard deviations)" for name in self.names)
        return {"across": across, "up": up}


def choose_plane(ingested: Ingested, prepared: PreparedRows) -> Plane:
    """Return the pair of columns, and the entity, whose curve is the clearest.

    Raises NoData when no two columns of numbers vary.
    """
    windows, features = prepared.windows[Part.LEARN], prepared.preparation.features
    numbers = [index for index, feature in enumerate(features) if not feature.is_text]
    first = prepared.preparation.first_columns[numbers]  # the column of each number
    entity = prepared.preparation.entity_codes(ingested.rows)[windows.ends]
    best: tuple[float, Plane] | None = None
    for code in np.argsort(-np.bincount(entity))[:_ENTITIES]:
        rows = windows.matrix[windows.ends[entity == code]][:, first]
        gain, pair = _clearest(rows[:: max(1, len(rows) // ROWS)])
        if gain > 0 and (best is None or gain > best[0]):
            across, up = (features[numbers[column]].name for column in pair)
            name = prepared.preparation.entities[code] if prepared.preparation.entities else None
            best = gain, Plane(_central(rows[:, pair]), (across, up), name)
    if best is None:
        raise NoData(
            f"figures of a plane need two numeric columns that vary, got {len(numbers)} columns"
            " of which no two vary: add features"
        )
    return best[1]


def _clearest(rows: Float32) -> tuple[float, list[int]]:
    """Return the largest gain of a curve over a line, and its two columns: (R, F)."""
    values = rows.astype(np.float64)
    distinct = np.array([len(np.unique(column)) for column in values.T])
    finest = np.argsort(-distinct, kind="stable")[:_COLUMNS]
    fine = [int(column) for column in finest if distinct[column] >= _MIN_DISTINCT]
    varied = [int(column) for column in finest if distinct[column] > 1]
    pairs = combinations(sorted(fine if len(fine) > 1 else varied), 2)
    best = 0.0, [0, 0]
    for pair in pairs:
        best = max(best, (curve_gain(values[:, pair]), list(pair)))
    return best


def curve_gain(pair: Float64) -> float:
    """Return the share of the variance that a curve explains beyond a line: (R, 2).

    The line is the first principal axis; the curve is the mean within bins along an axis. A curve
    in a thick cloud or a long tail gives no clear figure, so its gain has a small weight.
    """
    inside = pair[central(pair)]
    if len(inside) < _BINS or not np.ptp(inside, axis=0).all():
        return 0.0
    standard = (inside - inside.mean(0)) / inside.std(0)
    turned = standard @ _ROTATION
    unexplained = min(
        _variance_within_bins(way[:, ::step]) for way in (standard, turned) for step in (1, -1)
    )
    gain = 1 - abs(float(np.mean(standard[:, 0] * standard[:, 1]))) - unexplained
    clear = unexplained < _MAX_UNEXPLAINED and np.ptp(standard) < _LONGEST
    return max(gain, 0.0) * (1 if clear else _UNCLEAR)


def _variance_within_bins(pair: Float64) -> float:
    """Return the variance of the second column within equal-width bins of the first: (R, 2)."""
    axis, beside = pair.T
    length = max(float(np.ptp(axis)), 1e-9)  # equal columns have a rotated axis of length 0
    place = np.minimum(((axis - axis.min()) / length * _BINS).astype(int), _BINS - 1)
    count = np.maximum(np.bincount(place, minlength=_BINS), 1)
    curve = np.bincount(place, beside, minlength=_BINS) / count
    return float(np.square(beside - curve[place]).mean())


def central(pair: npt.NDArray[np.floating]) -> Bool:
    """Return the mask of rows outside the tails of both columns: (R, 2) -> (R,)."""
    low, high = np.quantile(pair, [_TAIL, 1 - _TAIL], axis=0)
    return np.asarray(((pair >= low) & (pair <= high)).all(axis=1))


def _central(pair: Float32) -> Float32:
    """Omit the tails and standardise: (R, 2) -> (N, 2)."""
    inside = pair[central(pair)]
    inside = inside[:: max(1, len(inside) // ROWS)]
    return np.asarray((inside - inside.mean(0)) / inside.std(0), dtype=np.float32)
