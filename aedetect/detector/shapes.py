"""How far the shape of a window is from all shapes that were seen in training.

A network of many readings and few columns reconstructs any smooth curve, so that its residual says
nothing of a curve that never came before. The shape of a window is its readings less the mean of
each column; its distance is that to the nearest of the centres that k-means finds among training
windows (Lloyd: Least squares quantization in PCM, 1982), per cell:

    d^2 = min_k |w - c_k|^2 / n

Centres lie in the principal subspace of the shapes, with the basis P, so that
|w - c_k|^2 = |w|^2 - 2 (P w) (P c_k) + |P c_k|^2 takes two small matrix products. The distance is a
sum over cells, and so splits over features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64
from aedetect.detector.reconstruction import CHUNK, from_windows
from aedetect.detector.residuals import by_feature
from aedetect.preprocessing.windows import gather

LENGTHS = 2  # of windows: those of the network, and long ones
_TILE = 2**15  # cells whose sums are held at a time, 256 KiB


@dataclass(frozen=True)
class ShapeBank:
    """Typical shapes of windows of one length.

    Shapes: basis (Q, T, D + K), orthonormal, 0 in columns that do not count and such that each
    column adds up to 0 over T; centres (C, Q).
    """

    basis: Float32
    centres: Float32

    @property
    def length(self) -> int:
        """Rows of a window."""
        return int(self.basis.shape[1])

    @property
    def used(self) -> Bool:
        """Which columns count: (D + K,)."""
        return np.asarray((self.basis != 0).any(axis=(0, 1)))

    @property
    def cells(self) -> int:
        """Cells of a window that count."""
        return self.length * int(np.count_nonzero(self.used))

    def nearest(self, matrix: Float32, rows: Int64) -> tuple[Float64, Int64]:
        """Return the squared distance per cell, and which centre is nearest: (R, D + K) -> (N,)."""
        import torch

        from aedetect.models.layers import linear

        basis = torch.from_numpy(self.basis.reshape(len(self.basis), -1))
        centres = torch.from_numpy(self.centres)
        half = centres.square().sum(dim=1) / 2

        def closest(windows: torch.Tensor) -> torch.Tensor:
            products = linear(linear(windows.flatten(1), basis), -centres, half)
            which = torch.from_numpy(products.numpy().argmin(axis=1))
            return torch.stack([products.gather(1, which[:, None])[:, 0], which.float()], dim=1)

        less, place = from_windows(closest, matrix, rows, length=self.length, width=2).T
        squared = self._energy(matrix, rows) + 2 * less.astype(np.float64)
        return np.maximum(squared, 0) / self.cells, place.astype(np.int64)

    def split(self, matrix: Float32, rows: Int64, nearest: Int64) -> Float32:
        """Return each column's part of the squared distance: (N,), (N,) -> (N, D + K)."""
        centre = np.einsum("cq,qtd->ctd", self.centres, self.basis)
        parts = np.empty((len(rows), matrix.shape[1]), dtype=np.float32)
        for start in range(0, len(rows), CHUNK):
            kept = slice(start, start + CHUNK)
            windows = gather(matrix, rows[kept], length=self.length)
            apart = windows - windows.mean(axis=1, keepdims=True) - centre[nearest[kept]]
            parts[kept] = np.square(apart).sum(axis=1)
        return np.asarray(parts * self.used / self.cells, dtype=np.float32)

    def _energy(self, matrix: Float32, rows: Int64) -> Float64:
        """Return |w|^2 of the shapes of the windows that end at some rows: (N,) -> (N,)."""
        used, before = self.used, self.length - 1
        energy = np.empty(len(rows))
        tile = max(_TILE // len(used), self.length)
        for start in range(int(rows[0]), int(rows[-1]) + 1, tile):
            first, last = np.searchsorted(rows, (start, start + tile))
            if first < last:
                end = int(rows[last - 1]) + 1
                cells = matrix[start - before : end].astype(np.float64)
                cells = cells if used.all() else np.ascontiguousarray(cells[:, used])
                sums = _window_sums(cells, self.length)
                whole = _window_sums(np.einsum("rd,rd->r", cells, cells), self.length)
                apart = whole - np.einsum("rd,rd->r", sums, sums) / self.length
                energy[first:last] = apart[rows[first:last] - start]
        return energy


def _window_sums(values: Float64, length: int) -> Float64:
    """Return sums over each row and those before it, `length` rows T: (R, ...) -> (R - T + 1, ...).

    Sums of 1, 2, 4 ... rows are added in pairs, so that one is rounded alike in any batch.

    >>> _window_sums(np.arange(5.0), 3).tolist()
    [3.0, 6.0, 9.0]
    """
    count, size, done = len(values) - length + 1, 1, 0
    parts = []
    while size <= length:
        if length & size:
            parts.append(values[done : done + count])
            done += size
        if 2 * size <= length:
            values = values[size:] + values[:-size]
        size *= 2
    return np.asarray(reduce(np.add, parts))


@dataclass(frozen=True)
class Shapes:
    """Typical shapes of the network's windows and of the long ones, and what they weigh.

    The weight is that of their distance in the score "ensemble". A length may have no bank.
    """

    weight: float
    banks: tuple[ShapeBank | None, ...]


def weighted(shapes: Shapes | None, weight: float) -> Shapes | None:
    """Return the shapes with another weight; None where they weigh nothing."""
    return replace(shapes, weight=weight) if shapes is not None and weight else None


@dataclass(frozen=True)
class ShapeErrors:
    """Squared distances of rows from typical shapes, and what splits them over features.

    Shapes: rows (M,) of the matrix (R, D + K); distance and nearest (2, M), -1 for a row without a
    whole window, whose distance is 0; owner (D,) as in `Preparation`.
    """

    shapes: Shapes | None
    matrix: Float32
    rows: Int64
    owner: Int64
    distance: Float64
    nearest: Int64

    @property
    def weight(self) -> float:
        """The weight of the distances; 0 without typical shapes."""
        return 0.0 if self.shapes is None else self.shapes.weight

    def take(self, chosen: Int64) -> ShapeErrors:
        """Return the distances of some of the rows."""
        return replace(
            self,
            rows=self.rows[chosen],
            distance=self.distance[:, chosen],
            nearest=self.nearest[:, chosen],
        )

    def replaced(self, place: Int64, other: ShapeErrors) -> ShapeErrors:
        """Return the distances with others at some places (K,), which do not split over features.

        They are of windows of another table.
        """
        distance, nearest = self.distance.copy(), self.nearest.copy()
        distance[:, place], nearest[:, place] = other.distance, -1
        return replace(self, distance=distance, nearest=nearest)

    def by_feature(self, at: Int64) -> Float32:
        """Return each feature's part of the distances of the rows at some positions: (2, N, F)."""
        columns = len(self.owner)
        parts = np.zeros((LENGTHS, len(at), columns), dtype=np.float32)
        for number, bank in enumerate(() if self.shapes is None else self.shapes.banks):
            near = self.nearest[number, at]
            known = np.flatnonzero(near >= 0)
            if bank is not None and len(known):
                split = bank.split(self.matrix, self.rows[at[known]], near[known])
                parts[number, known] = split[:, :columns]
        return np.stack([by_feature(each, self.owner) for each in parts])
