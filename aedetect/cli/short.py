"""Commands that are over in a second or two, and what they do without."""

from __future__ import annotations

import gc
import sys

_NEW_OBJECTS = 100_000  # until garbage is searched for


class _NoPandas:
    """A finder of modules that finds no pandas."""

    def find_spec(self, name: str, *_others: object) -> None:
        """Refuse pandas, and leave others to others."""
        if name == "pandas":
            raise ImportError(name)


def begin_short() -> None:
    """Search for garbage in cycles rarely: a short command makes little of it.

    Python looks for it after 700 new objects, which takes 7 % of the time of these commands. It is
    not left out: memory stays bounded whatever the input.
    """
    gc.set_threshold(_NEW_OBJECTS)


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
