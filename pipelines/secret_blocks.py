"""Secrets that are kept in Prefect's Secret blocks."""

from __future__ import annotations

from aedetect.secrets import Secrets


def read_block(name: str) -> str:
    """Return what a Secret block holds; raise KeyError when there is none of that name."""
    from prefect.blocks.system import Secret

    try:
        block = Secret.load(name)
    except ValueError as error:  # so Prefect says that there is none
        raise KeyError(name) from error
    assert isinstance(block, Secret), "in code that is not async, loading does not wait"
    return str(block.get())


def secrets() -> Secrets:
    """Give access to the environment and to the blocks."""
    return Secrets(blocks=read_block)
