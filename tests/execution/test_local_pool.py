"""Processes of this machine for many items: results, and what becomes of one that is killed."""

from __future__ import annotations

import os
import pickle
import signal

from aedetect.errors import ClusterError
from aedetect.execution.local_pool import LocalPool, usable_cores


def twice(shared, item):
    """Return the item twice, or die of it."""
    if item == b"die":
        os.kill(os.getpid(), signal.SIGKILL)
    return shared + item + item + os.environ.get("OMP_NUM_THREADS", "").encode()


def test_an_item_that_kills_its_process_fails_alone():
    """All others are computed, also those that were under way; each process has one thread."""
    items = [b"a", b"die", b"b", b"c", b"d"]
    found = dict(LocalPool(2).compute(twice, items, shared=b"-"))
    error = pickle.loads(found.pop(1))  # noqa: S301
    assert isinstance(error, ClusterError)
    assert "ended without a result" in str(error)
    assert found == {0: b"-aa1", 2: b"-bb1", 3: b"-cc1", 4: b"-dd1"}


def test_one_process_is_the_calling_one(monkeypatch):
    """Nothing is started for it."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert list(LocalPool(1).compute(twice, [b"a", b"b"], shared=b"")) == [(0, b"aa"), (1, b"bb")]
    assert usable_cores() >= 1
