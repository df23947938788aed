"""Commands that are over in a second or two, and what they do without."""

from __future__ import annotations

import gc
import sys


class _NoPandas:
    """A finder of modules that finds no pandas."""

    def find_spec(self, name: str, *_others: object) -> None:
        """Refuse pandas, and leave others to others."""
        if name == "pandas":
            raise ImportError(name)


def begin_short() -> None:
    """Leave out the search for garbage in cycles, of which a short command makes little.

    Python looks for it after 700 new objects, which takes 7 % of the time of these commands.
    """
    gc.disable()


def forgo_pandas() -> None:
    """Let PyArrow not import pandas (0.3 s) to see whether something that it is given is of pandas.

    It looks for pandas once, and from then on takes a Series for a list. Where something is made
    for pandas, it imports it all the same, and knows it again.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    refusing = _NoPandas()
    sys.meta_path.insert(0, refusing)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(refusing)
