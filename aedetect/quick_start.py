"""What a process of aedetect goes without while it starts and ends: pandas, the search for garbage.

Python searches for garbage in cycles after 700 new objects. While modules are imported nearly every
object stays, and there are a million of them: the search takes a fifth of the time in which Prefect
or MLflow is imported, and as much again at the end of a process, when all memory is given back.
"""

from __future__ import annotations

import atexit
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NEW_OBJECTS = 100_000  # until garbage is searched for


class _NoPandas:
    """A finder of modules that finds no pandas."""

    def find_spec(self, name: str, *_others: object) -> None:
        """Refuse pandas, and leave others to others."""
        if name == "pandas":
            raise ImportError(name)


class _Process:
    """Whether this process belongs to aedetect, and who is importing in it."""

    is_ours = False
    importing = 0
    lock = threading.Lock()


def own_process() -> None:
    """Say that this process belongs to aedetect: its objects are not searched at its end."""
    if not _Process.is_ours:
        _Process.is_ours = True
        atexit.register(_leave)


def _leave() -> None:
    """Spare the end of the process the search; but DuckDB complains of what is left of it then."""
    if "duckdb" in sys.modules:
        gc.unfreeze()
    else:
        gc.freeze()


@contextmanager
def unsearched() -> Iterator[None]:
    """Do not search for garbage in the body, which imports; nor later among what is there then.

    In a process of others, who have objects of their own, nothing changes.
    """
    if not _Process.is_ours:
        yield
        return
    with _Process.lock:
        _Process.importing += 1
        gc.disable()
    try:
        yield
    finally:
        with _Process.lock:
            _Process.importing -= 1
            if not _Process.importing:
                gc.freeze()
                gc.enable()


def search_rarely() -> None:
    """Search for garbage in cycles rarely: a short command makes little of it.

    It is not left out: memory stays bounded whatever the input.
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
