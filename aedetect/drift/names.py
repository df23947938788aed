"""Names -> numbers, in the order in which they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.arrays import Int64


class Names:
    """Numbers of names; a new name gets the next one."""

    def __init__(self) -> None:
        import pandas as pd  # takes time to import

        self._index: pd.Index[Any] = pd.Index([], dtype=object)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._index)

    def __getitem__(self, code: int) -> str:
        """Return the name of a number."""
        return str(self._index[code])

    def codes(self, names: pd.Series[str]) -> Int64:
        """Return the numbers of names: (N,)."""
        import pandas as pd  # takes time to import

        asked = pd.Index(names, dtype=object)
        found = self._index.get_indexer(asked)
        if (found < 0).any():
            self._index = self._index.append(asked[found < 0].unique())
            found = self._index.get_indexer(asked)
        return np.asarray(found, dtype=np.int64)
