"""Columns of entities, added up over the files of a day or of a block of days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.drift.binning import BINS, stability_index

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from aedetect.arrays import Int64

CELLS = ("rows", "whole_day", "missing", "unseen", "psi", "psi_limit", "missing_limit")
DISTRIBUTIONS = ("counts", "usual")
_SUMMED = ["rows", "missing", "unseen"]


class AddedCells:
    """Sums by entity and column, batch by batch; a column that comes once stays as it is.

    counts and usual (N, BINS); edges: N lists, None where there are none.
    """

    def __init__(self) -> None:
        import pandas as pd  # takes time to import

        self._index = pd.Index([], dtype=object)
        self._first: list[pd.DataFrame] = []
        self._times = np.zeros(0, dtype=np.int64)
        self._sums = np.zeros((0, len(_SUMMED)), dtype=np.int64)
        self.counts = np.zeros((0, BINS), dtype=np.int64)
        self.usual = np.zeros((0, BINS), dtype=np.int64)
        self.edges: list[list[float] | None] = []

    def add(self, part: pa.Table) -> None:
        """Add rows of columns, each column of an entity once."""
        import pandas as pd  # takes time to import

        lists = {name: _matrix(part[name]) for name in DISTRIBUTIONS}
        edges = part["edges"].to_pylist() if "edges" in part.column_names else None
        plain = part.select(["entity", "column", *CELLS]).to_pandas()
        keys = pd.Index(plain["entity"] + "\0" + plain["column"], dtype=object)
        fresh = (self._index.get_indexer(keys) < 0).nonzero()[0]
        if len(fresh):
            self._first.append(plain.iloc[fresh])
            self._index = self._index.append(keys[fresh])
            more = ((0, len(fresh)), (0, 0))
            self._times = np.pad(self._times, more[0])
            self._sums, self.counts = np.pad(self._sums, more), np.pad(self.counts, more)
            self.usual = np.concatenate([self.usual, lists["usual"][fresh]])
            self.edges += [None if edges is None else edges[at] for at in fresh.tolist()]
        at = self._index.get_indexer(keys)
        self._times[at] += 1
        self._sums[at] += plain[_SUMMED].to_numpy()
        self.counts[at] += lists["counts"]

    def table(self) -> pd.DataFrame:
        """Return a row for each column of each entity, with the distance of all counts."""
        import pandas as pd  # takes time to import

        if not self._first:
            return pd.DataFrame(columns=["entity", "column", *CELLS])
        table = pd.concat(self._first, ignore_index=True)
        table[_SUMMED] = self._sums
        index = stability_index(self.counts, self.usual.astype(float))
        return table.assign(psi=np.where(self._times > 1, index, table["psi"]))


def _matrix(lists: pa.ChunkedArray) -> Int64:
    """Return lists of equal length as rows."""
    values = lists.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.int64).reshape(len(lists), BINS)
