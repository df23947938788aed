"""Secrets in Prefect's Secret blocks."""

from __future__ import annotations

from aedetect.secrets import Secrets


def read_block(name: str) -> str:
    """Return the value of a Secret block; raise KeyError when it does not exist."""
    from prefect.blocks.system import Secret

    try:
        block = Secret.load(name)
    except ValueError as error:  # Prefect's error for an absent block
        raise KeyError(name) from error
    assert isinstance(block, Secret), "in synchronous code, load() returns the block"
    return str(block.get())


def secrets() -> Secrets:
    """Return secrets from the environment and from the blocks."""
    return Secrets(blocks=read_block)
