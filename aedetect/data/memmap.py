"""Ordered rows on disk, memory-mapped, so that training can use more rows than fit in memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Float64, Int64
from aedetect.data.reader import batch_rows
from aedetect.data.rows import Rows

_T = TypeVar("_T", bound=np.generic)
_PAGES_AROUND = 16


@dataclass(frozen=True)
class MappedRows:
    """Rows without duplicates, and the number of duplicates removed."""

    rows: Rows
    duplicates: int


def map_rows(batches: Iterable[Rows], *, columns: int, folder: Path) -> MappedRows:
    """Write ordered batches to a folder and map them; of duplicates, the first is kept."""
    names: list[str | None] = []
    duplicates = count = 0
    last: tuple[int, str | None] | None = None
    paths = [folder / part for part in ("time.i8", "entity.i4", "values.f8")]
    with paths[0].open("wb") as time, paths[1].open("wb") as entity, paths[2].open("wb") as values:
        for batch in batches:
            again = batch.duplicates
            first = (int(batch.time[0]), batch.names[batch.entity[0]])
            again[0] = first == last
            last = (int(batch.time[-1]), batch.names[batch.entity[-1]])
            kept = batch.take(~again) if again.any() else batch
            duplicates += len(batch) - len(kept)
            count += len(kept)
            _append(kept, names, time, entity, values)
    rows = Rows(
        time=_mapped(paths[0], np.dtype(np.int64), (count,)),
        entity=_mapped(paths[1], np.dtype(np.int32), (count,)),
        names=tuple(names),
        values=_mapped(paths[2], np.dtype(np.float64), (count, columns)),
    )
    return MappedRows(rows, duplicates)


def map_values(rows: Rows, batches: Iterable[Rows], path: Path, columns: int) -> Rows:
    """Return the rows with the values of the batches, written to a file and mapped."""
    with path.open("wb") as stream:
        for batch in batches:
            stream.write(np.ascontiguousarray(batch.values).data)
    values = _mapped(path, np.dtype(np.float64), (len(rows), columns))
    if isinstance(rows.values, np.memmap):  # what was mapped before is read no more
        Path(str(rows.values.filename)).unlink(missing_ok=True)
    return replace(rows, values=values)


def batches_of(rows: Rows) -> Iterator[Rows]:
    """Cut rows into batches without copying; a mapped batch counts as memory until the next."""
    most = batch_rows(rows.values.shape[1])
    for start in range(0, len(rows), most):
        yield rows.take(slice(start, start + most))
        release(rows.values)


def pieces_of(rows: Rows) -> Iterator[tuple[Rows, Int64, Int64]]:
    """Yield batches, the first row (P,) of each entity in them, and the number (P,) of the entity.

    Entities are numbered as they come.
    """
    number, last = -1, None
    for batch in batches_of(rows):
        starts = batch.starts
        starts[0] = last is None or batch.entity[0] != last
        order = number + np.cumsum(starts)
        first = np.flatnonzero(batch.starts)
        yield batch, first, order[first]
        number, last = int(order[-1]), batch.entity[-1]


def pick_rows(values: Float64, chosen: Int64) -> Float64:
    """Copy some rows, (R, C), (N,) -> (N, C): what lies between them is not kept in memory."""
    most = batch_rows(values.shape[1])
    picked = np.empty((len(chosen), values.shape[1]))
    # The system maps sixteen pages around each that is read.
    few = max(most // _PAGES_AROUND, 1)
    for start in range(0, len(chosen), few):
        picked[start : start + few] = values[chosen[start : start + few]]
        release(values)
    return picked


def release(values: npt.NDArray[_T]) -> None:
    """Drop the pages of a mapped file from memory; whoever reads on gets them from the file.

    Otherwise all that was ever read counts as memory of the process.
    """
    base: object = values
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)


def _append(
    rows: Rows, names: list[str | None], time: BinaryIO, entity: BinaryIO, values: BinaryIO
) -> None:
    """Append rows to the files; entities are in order, so a new name has not occurred before."""
    codes = np.empty(len(rows.names), dtype=np.int32)
    for code in dict.fromkeys(rows.entity[rows.starts].tolist()):
        if not names or names[-1] != rows.names[code]:
            names.append(rows.names[code])
        codes[code] = len(names) - 1
    time.write(rows.time.astype(np.int64).tobytes())
    entity.write(codes[rows.entity].tobytes())
    values.write(np.ascontiguousarray(rows.values).data)


def _mapped(path: Path, dtype: np.dtype[_T], shape: tuple[int, ...]) -> npt.NDArray[_T]:
    """Map a file; an empty one cannot be mapped."""
    if not path.stat().st_size:
        return np.empty(shape, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)
