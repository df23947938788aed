"""One thread for a computation, and the caller's number of threads afterwards."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from aedetect.models.threads import one_thread


@pytest.fixture(autouse=True)
def three_threads():
    """A number that neither PyTorch nor `one_thread` would choose here."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_number_of_threads_comes_back():
    """Inside it is one, nested too; afterwards it is the caller's, after an error as well."""
    with one_thread():
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / 0
    assert torch.get_num_threads() == 3


def test_every_one_of_several_threads_computes_alone():
    """A thread that had a number of its own before is set to one, whoever came first."""
    ready, first_in = threading.Barrier(2), threading.Event()

    def second():
        own = torch.get_num_threads()
        ready.wait()
        first_in.wait()
        with one_thread():
            inside = torch.get_num_threads()
        return own, inside, torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool:
        later = pool.submit(second)
        ready.wait()
        with one_thread():
            first_in.set()
            assert later.result() == (3, 1, 3)
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_thread_that_leaves_does_not_disturb_those_inside():
    """The last one in is alone to the end, though the first one has restored its number."""
    inside, left = threading.Event(), threading.Event()

    def last():
        with one_thread():
            inside.set()
            left.wait()
            return torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool:
        with one_thread():
            later = pool.submit(last)
            inside.wait()
        assert torch.get_num_threads() == 3
        left.set()
        assert later.result() == 1
    assert torch.get_num_threads() == 3


def test_threads_that_start_meanwhile_take_over_the_number_outside():
    """A pool's thread whose first computation is inside keeps no single thread for its life."""
    with ThreadPoolExecutor(1) as pool:

        def inside():
            with one_thread():
                return torch.get_num_threads()

        with one_thread():
            assert pool.submit(inside).result() == 1
        assert pool.submit(torch.get_num_threads).result() == 3
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == 3
