"""The expected values of rows: from the window that ends there, or from all that cover them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float32, any_in_row
from aedetect.detector.smoothing import around
from aedetect.models.threads import one_thread
from aedetect.preprocessing.windows import windows_of

if TYPE_CHECKING:
    from torch import Tensor

    from aedetect.arrays import Bool, Int64
    from aedetect.models.base import Autoencoder

# Rows computed at a time. A fixed number, the last chunk padded: a matrix product over fewer rows
# may round differently, and a row's score must not depend on its neighbours. Small enough for the
# windows to stay in the processor's cache (benchmarks/scoring.py).
CHUNK = 512
_FILLS = 20  # times that masked cells are replaced; with 5 a slow column is not yet there


def last_rows(
    model: Autoencoder, matrix: Float32, ends: Int64, *, masked: Bool | None = None
) -> Float32:
    """Return what is expected in the last row of each window: (R, D + K), (N,) -> (N, D).

    Cells that are `masked` (R, D) are replaced by what the model expects there, some times: the
    other columns are then judged by themselves, and not by what stands in for the missing one.
    """
    with one_thread():  # or a busy machine waits for each other thread
        expected = _last_row_of(model)
    found = from_windows(
        expected, matrix, ends, length=model.sizes.length, width=model.sizes.outputs
    )
    if masked is None or not masked.any():
        return found
    with _inference():
        chosen = np.flatnonzero(holed(masked, model.sizes.length)[ends])
        hidden = _windows(np.ascontiguousarray(masked), ends[chosen], model.sizes.length)
        for (start, windows), (_, gaps) in zip(
            _windows(matrix, ends[chosen], model.sizes.length), hidden, strict=True
        ):
            columns = windows[:, :, : model.sizes.outputs]
            for _ in range(_FILLS):
                columns[gaps] = model(windows)[gaps]
            place = chosen[start : start + CHUNK]
            found[place] = expected(windows).numpy()[: len(place)]
    return found


def holed(masked: Bool, length: int) -> Bool:
    """Return which rows end a window with a masked cell, or may: (R, D) -> (R,)."""
    return around(any_in_row(masked), before=0, after=length - 1)


def from_windows(
    compute: Callable[[Tensor], Tensor],
    matrix: Float32,
    ends: Int64,
    *,
    length: int,
    width: int,
) -> Float32:
    """Compute `width` numbers from each window: (R, D + K), (N,) -> (N, width)."""
    computed = np.empty((len(ends), width), dtype=np.float32)
    with _inference():
        for part, windows in _windows(matrix, ends, length):
            count = min(CHUNK, len(ends) - part)
            computed[part : part + count] = compute(windows).numpy()[:count]
    return computed


def covering(model: Autoencoder, matrix: Float32, rows: Int64, ends: Int64) -> tuple[Float32, Bool]:
    """Return the mean reconstruction of rows over the windows that end at `ends` and cover them.

    Shapes: (R, D + K), (N,), (M,), both ascending -> (N, D), and (N,) whether any covers the row.
    Each row's reconstructions are added in the order of their windows, however they are cut.
    """
    length = model.sizes.length
    place = np.full(len(matrix), len(rows))  # rows not requested are summed in one extra place
    place[rows] = np.arange(len(rows))
    total = np.zeros((len(rows) + 1, model.sizes.outputs))
    count = np.zeros(len(rows) + 1, dtype=np.int64)
    with _inference():
        for start, windows in _windows(matrix, ends, length):
            part = ends[start : start + CHUNK]
            rebuilt = model(windows).numpy()
            for step in reversed(range(length)):  # the earliest window of a row comes first
                at = place[part - (length - 1) + step]
                total[at] += rebuilt[: len(part), step]
                count[at] += 1
    mean = total[:-1] / np.maximum(count[:-1], 1)[:, None]
    return mean.astype(np.float32), count[:-1] > 0


def product(values: Float32, weights: Float32, added: Float32 | None = None) -> Float32:
    """Multiply rows with a matrix, each independently: (N, D), (D, D), added (D,) -> (N, D)."""
    import torch

    from aedetect.models.layers import narrow

    result = np.empty((len(values), weights.shape[1]), dtype=np.float32)
    filled = np.zeros((CHUNK, values.shape[1]), dtype=np.float32)
    turned = torch.from_numpy(weights).T
    bias = torch.zeros(len(turned)) if added is None else torch.from_numpy(added)
    with _inference():
        for start in range(0, len(values), CHUNK):
            part = values[start : start + CHUNK]
            count = len(part)
            if count < CHUNK:
                filled[:count] = part
                part = filled
            multiplied = narrow(torch.from_numpy(part), turned, bias).numpy()
            result[start : start + count] = multiplied[:count]
    return result


def _last_row_of(model: Autoencoder) -> Callable[[Tensor], Tensor]:
    """Return what computes the last row of a reconstruction: (N, T, D + K) -> (N, D)."""
    found = model.last_row_map
    return found.cheapest() if found else lambda windows: model.decode_last(model.encode(windows))


def _windows(matrix: Float32 | Bool, ends: Int64, length: int) -> Iterator[tuple[int, Tensor]]:
    """Yield the windows that end at `ends` in chunks, with the position of the first of each.

    A chunk is gone with the next; rows of the last one beyond its end are of no window.
    """
    import torch

    view, first = windows_of(matrix, length=length), ends - (length - 1)
    # One array for all: to take memory anew for each chunk takes a quarter of the time to fill it.
    held = np.zeros((CHUNK, view.shape[1]), dtype=matrix.dtype)
    windows = torch.from_numpy(held).view(CHUNK, length, matrix.shape[1])
    gaps = np.cumsum(np.diff(first, prepend=first[:1]) != 1)  # between neighbours, up to each
    for start in range(0, len(ends), CHUNK):
        part = first[start : start + CHUNK]
        begin, count = int(part[0]), len(part)
        follow = gaps[start] == gaps[start + count - 1]
        held[:count] = view[begin : begin + count] if follow else view[part]
        yield start, windows


@contextmanager
def _inference() -> Iterator[None]:
    """Compute without gradients and on one thread: more threads are not faster here."""
    import torch

    with one_thread(), torch.inference_mode():
        yield
