"""The columns of entities, those that moved most first, and their distributions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.arrays import Int64
    from aedetect.drift.daily_table import Block

NAMED = 3  # columns of a shift
_NEAR = 0.25  # of its limit: a column that is named beside others


class Ranking:
    """Columns of entities (N,) on a day, by their distance in units of its limit."""

    def __init__(self, cells: pd.DataFrame) -> None:
        """Order all at once: there may be as many entities as rows."""
        import pandas as pd  # takes time to import

        self.entity, self.column = cells["entity"].to_numpy(), cells["column"].to_numpy()
        ratio = (cells["psi"] / cells["psi_limit"]).to_numpy(dtype=float)
        self._ratio = np.nan_to_num(ratio)
        code, names = pd.factorize(self.entity)
        self._by_entity = np.lexsort((-self._ratio, code))
        ends = np.cumsum(np.bincount(code, minlength=len(names)))
        self._place = dict(zip(names.tolist(), zip([0, *ends], ends, strict=False), strict=True))

    def of(self, entity: str | None) -> Int64:
        """Return the rows of an entity, or of all (None), the most moved first."""
        if entity is None:
            return np.argsort(-self._ratio, kind="stable")
        return np.asarray(self._by_entity[slice(*self._place.get(entity, (0, 0)))])

    def columns(self, rows: Int64, lost: Sequence[str]) -> tuple[str, ...]:
        """Return the columns to name, of ranked rows; first those with lost cells."""
        near = self.column[rows[self._ratio[rows] > _NEAR]].tolist()
        return tuple(dict.fromkeys([*lost, *near]))[:NAMED]

    def cells(self, rows: Int64, columns: Sequence[str]) -> list[tuple[str, str]]:
        """Return entity and column of the first of ranked rows of each of some columns."""
        found: dict[str, tuple[str, str]] = {}
        for row in rows[np.isin(self.column[rows], columns)].tolist():
            found.setdefault(self.column[row], (self.entity[row], self.column[row]))
            if len(found) == len(columns):
                break
        return list(found.values())


def distributions(
    block: Block, chosen: Sequence[Sequence[tuple[str, str]]]
) -> Iterator[tuple[dict[str, Any], ...]]:
    """Yield the distributions of the cells of each shift, which are read together."""
    added = block.distributions({entity for own in chosen for entity, _ in own})
    table = added.table()
    place = {key: at for at, key in enumerate(zip(table["entity"], table["column"], strict=True))}
    psi, limit = (table[name].to_numpy(dtype=float) for name in ("psi", "psi_limit"))
    for own in chosen:
        yield tuple(
            {
                "column": column,
                "entity": entity or None,
                "edges": added.edges[at := place[entity, column]],
                "psi": float(psi[at]),
                "limit": float(limit[at]),
                "training": added.usual[at].tolist(),
                "now": added.counts[at].tolist(),
            }
            for entity, column in own
        )
