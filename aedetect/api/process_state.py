"""What PyTorch keeps for the whole process, given back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_threads() -> Iterator[None]:
    """Restore PyTorch's number of threads: scoring computes with one."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
