"""The latent vectors of all full windows of some files, searched for similar windows.

The latent vectors are stored on disk and memory-mapped. The search compares with all of them: it is
exact and takes a fraction of a second over a million windows (`benchmarks/similar.py`, with
scikit-learn and faiss for comparison), so that an index would be a needless dependency.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Float32, Int32
from aedetect.detector.reconstruction import CHUNK
from aedetect.models.threads import one_thread
from aedetect.preprocessing import positions
from aedetect.preprocessing.windows import gather, with_context

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.data import Rows
    from aedetect.detector import Scorer

_COMPARED = 65_536  # windows at a time; their differences need little memory beside them
LATENTS, PLACES = "latent.f4", "places"
NAMES_FILE = "names.json"  # written last: a folder that contains it is complete
_PLACE = np.dtype([("start", "i8"), ("end", "i8"), ("row", "i8"), ("entity", "i4")])


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Latent vectors of windows, in order of entity and time.

    Shapes: latents (N, C); places (N,) with the timestamps of the window's first and last row in
    ns, the number of its last row, and its entity's index in `names`.
    """

    latents: Float32
    places: npt.NDArray[np.void]
    names: tuple[str | None, ...]
    length: int  # rows in a window


@dataclass(frozen=True)
class Neighbours:
    """Windows by their index in a history, the nearest first: (M,), and their distances (M,)."""

    windows: Int64
    distance: Float32
    searched: int  # windows that ended before
    typical: float  # median distance of those


def build_embeddings(scorer: Scorer, batches: Iterable[Rows], folder: Path) -> None:
    """Write the latent vectors of the windows in ordered rows into a folder."""
    names: list[str | None] = []
    done = 0  # rows before the batch
    with (folder / LATENTS).open("wb") as latents, (folder / PLACES).open("wb") as places:
        for rows, before in with_context(batches, lookback=scorer.lookback):
            own = ~rows.duplicates
            unique, first = rows.take(own), int(own[:before].sum())
            matrix, ends = _windows(scorer, unique)
            ends = ends[ends >= first]
            where = np.empty(len(ends), dtype=_PLACE)
            where["start"] = unique.time[ends - (scorer.length - 1)]
            where["end"], where["row"] = unique.time[ends], ends + (done - first)
            where["entity"] = _named(unique, names)[ends]
            places.write(where.tobytes())
            for part in _encode(scorer, matrix, ends):
                latents.write(part.tobytes())
            done += len(unique) - first
    described = {"names": names, "length": scorer.length, "latent": scorer.model.sizes.latent}
    (folder / NAMES_FILE).write_text(json.dumps(described), encoding="utf-8")


def load_embeddings(folder: Path) -> Embeddings:
    """Map the latent vectors in a folder."""
    described = json.loads((folder / NAMES_FILE).read_text(encoding="utf-8"))
    places: npt.NDArray[np.void] = np.fromfile(folder / PLACES, dtype=_PLACE)
    shape = (len(places), described["latent"])
    return Embeddings(
        latents=np.memmap(folder / LATENTS, np.float32, "r", shape=shape)
        if len(places)
        else np.empty(shape, np.float32),
        places=places,
        names=tuple(described["names"]),
        length=described["length"],
    )


def nearest_windows(history: Embeddings, query: int, *, limit: int) -> Neighbours:
    """Return the earlier windows whose latent vectors are nearest (Euclidean) to that of a window.

    No two of them overlap: of overlapping neighbours, only the nearest is returned.
    """
    places = history.places
    past = np.flatnonzero(places["end"] < places["start"][query])
    distance = distances(history.latents, history.latents[query])[past]
    # A chosen window overlaps at most length - 1 others on each side: that many are enough.
    enough = min(limit * (2 * history.length - 1), len(past))
    first = np.argpartition(distance, enough - 1)[:enough] if enough else np.arange(0)
    first = first[np.lexsort((first, distance[first]))]
    kept = _apart(places[past[first]], length=history.length, limit=limit)
    chosen = first[kept]
    typical = float(np.median(distance)) if len(past) else float("nan")
    return Neighbours(past[chosen], distance[chosen], len(past), typical)


def distances(latents: Float32, latent: Float32) -> Float32:
    """Return the Euclidean distance of every latent vector from one: (N, C), (C,) -> (N,)."""
    result = np.empty(len(latents), dtype=np.float32)
    for start in range(0, len(latents), _COMPARED):
        apart = latents[start : start + _COMPARED] - latent
        result[start : start + _COMPARED] = np.sqrt(np.einsum("nc,nc->n", apart, apart))
    return result


def _apart(places: npt.NDArray[np.void], *, length: int, limit: int) -> list[int]:
    """Select windows in order, except those that overlap an earlier selected one."""
    taken: list[int] = []
    free = np.ones(len(places), dtype=np.bool_)
    while len(taken) < limit and free.any():
        best = int(free.argmax())
        taken.append(best)
        near = np.abs(places["row"] - places["row"][best]) < length
        free &= ~(near & (places["entity"] == places["entity"][best]))
    return taken


def _windows(scorer: Scorer, rows: Rows) -> tuple[Float32, Int64]:
    """Return the rows as the model sees them, and the last row of each full window: (N,)."""
    prepared = scorer.preparation.transform(rows)
    back = positions(
        rows.time, starts=rows.starts, usable=prepared.usable, max_gap=scorer.schema.max_gaps(rows)
    )
    return prepared.matrix, np.flatnonzero(back >= scorer.length - 1)


def _encode(scorer: Scorer, matrix: Float32, ends: Int64) -> Iterator[Float32]:
    """Yield the latent vectors of the windows, some at a time: (R, D + K), (N,) -> (B, C)."""
    import torch

    for start in range(0, len(ends), CHUNK):
        part = ends[start : start + CHUNK]
        windows = gather(matrix, np.resize(part, CHUNK), length=scorer.length)
        with one_thread(), torch.inference_mode():  # as in `aedetect.detector.reconstruction`
            latents = scorer.model.encode(torch.from_numpy(windows)).numpy()
        yield latents[: len(part)]


def _named(rows: Rows, names: list[str | None]) -> Int32:
    """Return each row's index among all names so far: (R,); new names are added."""
    codes = np.zeros(len(rows.names), dtype=np.int32)
    for code in dict.fromkeys(rows.entity[rows.starts].tolist()):
        if not names or names[-1] != rows.names[code]:
            names.append(rows.names[code])
        codes[code] = len(names) - 1
    return codes[rows.entity]
