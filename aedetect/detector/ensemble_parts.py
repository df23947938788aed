"""How the score "ensemble" splits over features, and what is left of it without some of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64
from aedetect.detector.ensemble import (
    MEMBERS,
    SWITCHES,
    RowErrors,
    ensemble_score,
    first_of_members,
    logarithms,
    member_parts,
    member_values,
    restlessness,
    rows_of_members,
)
from aedetect.detector.trailing import as_sum, running_sums

_BLOCK = 8  # features at a time, for memory's sake
_RESIDUAL, _DEVIATION = (0, 1, 2), (3, 4)  # which members are means of what
_SHAPES = slice(SWITCHES + 1, None)


@dataclass(frozen=True)
class EnsembleParts:
    """What the scores of some rows were computed from.

    Shapes: errors of M rows; at (N,) the scored rows among them; typical (N, 9) of their entities;
    values (8, N) of the members; level (N,).
    """

    errors: RowErrors
    at: Int64
    typical: Float32
    values: Float64
    level: Float64

    @classmethod
    def of(cls, errors: RowErrors, at: Int64, typical: Float32) -> EnsembleParts:
        """Join the errors of rows: at (N,) among them, typical (M, 9) of each."""
        values, level = member_values(errors, at), restlessness(errors, typical, at)
        return cls(errors, at, typical[at], values, level)

    def take(self, chosen: Bool | Int64) -> EnsembleParts:
        """Return the parts of some of the scored rows, and of the errors what these need."""
        at = self.at[chosen]
        needed = rows_of_members(self.errors.tick, at)
        return EnsembleParts(
            self.errors.take(needed),
            np.searchsorted(needed, at),
            self.typical[chosen],
            self.values[:, chosen],
            self.level[chosen],
        )

    def score(self, weight: float | None = None) -> Float32:
        """Return the scores (N,); with another weight of the shapes if one is given."""
        return self._score_of(self.values, self.errors.shapes.weight if weight is None else weight)

    def contributions(self) -> Float32:
        """Return what each feature adds to the score: (N, F), never negative.

        A member's part of the score is split as the member itself.
        """
        added = member_parts(
            logarithms(self.values, self.typical), self.level, weight=self.errors.shapes.weight
        )
        weight = added / np.maximum(self.values, 1e-300)
        result = np.zeros((len(self.at), len(self.errors.switches)), dtype=np.float32)
        for block, cells in self._by_features():
            result[:, block] = np.einsum("kn,knf->nf", weight, cells)
        return result

    def without(self, muted: Bool) -> Float32:
        """Return the score as if the muted features had no errors: (N, F) -> (N,)."""
        left = self.values.copy()
        for block, cells in self._by_features():
            left -= np.einsum("knf,nf->kn", cells, muted[:, block].astype(np.float64))
        return self._score_of(np.maximum(left, 0), self.errors.shapes.weight)

    def _score_of(self, values: Float64, weight: float) -> Float32:
        logs = logarithms(values, self.typical)
        return ensemble_score(logs, self.level, weight=weight).astype(np.float32)

    def _by_features(self) -> Iterator[tuple[slice, Float64]]:
        """Yield each feature's part of each member, some features at a time: (8, N, B)."""
        errors, switches = self.errors, self.errors.switches
        plain, switched = (count[:, None] for count in errors.counted)
        first = first_of_members(errors.tick, self.at)
        shapes = errors.shapes.by_feature(self.at)
        for start in range(0, len(switches), _BLOCK):
            block = slice(start, start + _BLOCK)
            kind, residual = switches[block], errors.residual[:, block]
            deviation = errors.deviation[:, block]
            parts = np.where(kind, 0, residual / plain), np.where(kind, 0, deviation / plain)
            cells = np.empty((len(MEMBERS), len(self.at), residual.shape[1]))
            for members, part in zip((_RESIDUAL, _DEVIATION), parts, strict=True):
                for member, mean in zip(members, self._means(part, first, members), strict=True):
                    cells[member] = mean
            cells[SWITCHES] = np.where(kind, residual / switched, 0)[self.at]
            cells[_SHAPES] = shapes[:, :, block]
            yield block, cells

    def _means(
        self, part: Float64, first: tuple[Int64, ...], members: tuple[int, ...]
    ) -> Iterator[Float64]:
        """Yield the trailing means of each column: (M, B) -> (N, B) for each member."""
        used, at = self.errors.used, self.at
        total = running_sums(np.where(used[:, None], part, 0))
        count = np.concatenate([[0], np.cumsum(used)])
        for member in members:
            number = (count[at + 1] - count[first[member]])[:, None]
            mean = as_sum(total[at + 1] - total[first[member]]) / np.maximum(number, 1)
            yield np.where(number > 0, mean, part[at])
