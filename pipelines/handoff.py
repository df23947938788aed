"""What a command has read and resolved by now, for the flow that it calls in the same process.

A flow's parameters are texts, since runs are also started through Prefect's API; a flow that is
called here would read the configuration and ask the registry a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.config import Config, read_config
from pipelines.secret_blocks import secrets

if TYPE_CHECKING:
    from aedetect.scoring import Model


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A configuration as read, the parameters that it was read from, and the model it means."""

    config_path: str
    overrides: tuple[str, ...]
    config: Config
    model: Model | None = None  # None: to be looked up when the flow needs it


_prepared: ContextVar[Prepared | None] = ContextVar("prepared", default=None)


@contextmanager
def handing_on(prepared: Prepared) -> Iterator[None]:
    """Let flows that are called in the body, with these parameters, use what is there."""
    token = _prepared.set(prepared)
    try:
        yield
    finally:
        _prepared.reset(token)


def prepare_run(config_path: str, overrides: Sequence[str] | None) -> Prepared:
    """Return what was handed on for these parameters; read the configuration when nothing was."""
    given = _prepared.get()
    chosen = tuple(overrides or ())
    if given is not None and (given.config_path, given.overrides) == (config_path, chosen):
        return given
    config = read_config(Path(config_path), chosen, secrets=secrets())
    return Prepared(config_path=config_path, overrides=chosen, config=config)
