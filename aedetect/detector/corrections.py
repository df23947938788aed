"""What one network for all entities gets wrong of each: a linear map by entity, in closed form.

The residual of an entity is regressed on what was expected, x' = x + B (1, x), by ridge regression:
Hoerl, Kennard: Ridge regression (1970), equation 2.4. Only entities with enough rows have a map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float32, Int32, Int64, grouped_rows
from aedetect.detector.reconstruction import product

_RIDGE = 0.01  # in squared model units; of 0.001 to 1 the best by labels (docs/internals)
_FEWEST = 500  # rows of an entity ...
_ROWS_A_COEFFICIENT = 20  # ... and at least so many for each number that predicts a column
_MOST_CELLS = 16_000_000  # of all maps; more are left out, to bound memory


@dataclass(frozen=True)
class Corrections:
    """The maps of some entities. Shapes: place (E + 1,), -1 without one; maps (M, D + 1, D)."""

    place: Int64
    maps: Float32

    @classmethod
    def none(cls, *, entities: int, columns: int) -> Corrections:
        """No entity has a map."""
        maps = np.zeros((0, columns + 1, columns), dtype=np.float32)
        return cls(np.full(entities + 1, -1, dtype=np.int64), maps)

    @classmethod
    def fit(
        cls, expected: Float32, found: Float32, seen: Bool, entity: Int32, *, entities: int
    ) -> Corrections:
        """Fit the maps: expected, found and seen are (N, D), entity (N,) is the row of a scaling.

        Cells that were not seen have no residual.
        """
        columns = expected.shape[1]
        fewest = max(_FEWEST, _ROWS_A_COEFFICIENT * (columns + 1))
        most = _MOST_CELLS // (columns * (columns + 1))
        place = np.full(entities + 1, -1, dtype=np.int64)
        maps: list[Float32] = []
        for code, rows in grouped_rows(entity):
            if len(rows) >= fewest and len(maps) < most:
                place[code] = len(maps)
                maps.append(_regress(expected[rows], (found[rows] - expected[rows]) * seen[rows]))
        if not maps:
            return cls.none(entities=entities, columns=columns)
        return cls(place, np.stack(maps))

    def apply(self, expected: Float32, entity: Int32) -> Float32:
        """Correct what is expected of rows, in place: (N, D), (N,) -> (N, D)."""
        if not len(self.maps):
            return expected
        number = self.place[entity]
        for which, rows in grouped_rows(number):
            if which >= 0:
                # Those of an entity are neighbours where entities follow each other: no copy then.
                first, last = int(rows[0]), int(rows[-1]) + 1
                some = slice(first, last) if last - first == len(rows) else rows
                own = expected[some]
                expected[some] = own + product(own, self.maps[which, 1:], self.maps[which, 0])
        return expected


def _regress(expected: Float32, residual: Float32) -> Float32:
    """Return the coefficients of the residual on (1, expected): (N, D), (N, D) -> (D + 1, D)."""
    inputs = np.column_stack([np.ones(len(expected)), expected.astype(np.float64)])
    gram = inputs.T @ inputs / len(inputs) + _RIDGE * np.eye(inputs.shape[1])
    products = inputs.T @ residual.astype(np.float64) / len(inputs)
    return np.linalg.solve(gram, products).astype(np.float32)
