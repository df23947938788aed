"""Seconds to find the most similar windows: python benchmarks/similar.py [--windows 1000000].

Compares, on the same codes and with one thread each: what `aedetect similar` does (all latent
vectors compared, in chunks, and the nearest that do not overlap), scikit-learn's brute force and
k-d tree, and faiss's flat index where faiss-cpu is installed (it is not needed). Codes are a random
walk, because those of neighbouring windows are close. "build" is the time before the first query,
for an index that is not saved to disk.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from aedetect.applications import Embeddings
from aedetect.applications.embeddings import nearest_windows
from aedetect.arrays import Float32

QUERIES, MOST, LENGTH = 5, 10, 16
NEEDED = MOST * (2 * LENGTH - 1)  # neighbours needed from an index for 10 that do not overlap


def history(windows: int, width: int) -> Embeddings:
    """Return codes of the windows of one entity, a row apart."""
    steps = np.random.default_rng(0).normal(size=(windows, width)).astype(np.float32)
    places = np.zeros(
        windows, dtype=[("start", "i8"), ("end", "i8"), ("row", "i8"), ("entity", "i4")]
    )
    places["row"] = places["end"] = np.arange(windows)
    places["start"] = places["end"] - LENGTH + 1
    codes = np.cumsum(steps, axis=0, dtype=np.float32) * np.float32(0.05)
    return Embeddings(latents=codes, places=places, names=("one",), length=LENGTH)


def timed(work: Callable[[], object]) -> float:
    """Return the duration of a call in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours(made: Embeddings) -> tuple[float, list[float]]:
    """Time `aedetect.applications.embeddings.nearest_windows`."""
    last = len(made.places) - 1
    search = partial(nearest_windows, made, limit=MOST)
    return 0.0, [timed(partial(search, last - query)) for query in range(QUERIES)]


def scikit_learn(algorithm: str, codes: Float32) -> tuple[float, list[float]]:
    """Time scikit-learn's NearestNeighbors."""
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=NEEDED, algorithm=algorithm, n_jobs=1)
    build = timed(partial(index.fit, codes))
    return build, [timed(partial(index.kneighbors, row[None])) for row in codes[-QUERIES:]]


def faiss_flat(codes: Float32) -> tuple[float, list[float]]:
    """Time faiss's exact index."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(codes.shape[1])
    build = timed(partial(index.add, codes))
    return build, [timed(partial(index.search, row[None], NEEDED)) for row in codes[-QUERIES:]]


def main() -> None:
    """Print one line per width and method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, nargs="+", default=[8, 38, 128])
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("code width  method                  build s  median query s")
    for width in given.width:
        made = history(given.windows, width)
        codes = np.ascontiguousarray(made.latents)
        methods: dict[str, Callable[[], tuple[float, list[float]]]] = {
            "aedetect, exact": partial(ours, made),
            "scikit-learn brute": partial(scikit_learn, "brute", codes),
            "scikit-learn k-d tree": partial(scikit_learn, "kd_tree", codes),
            "faiss flat": partial(faiss_flat, codes),
        }
        for name, method in methods.items():
            try:
                build, queries = method()
            except ImportError:
                print(f"{width:10}  {name:22}  not installed")
                continue
            print(f"{width:10}  {name:22}  {build:7.2f}  {np.median(queries):14.3f}", flush=True)


if __name__ == "__main__":
    main()
