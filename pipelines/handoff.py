"""Pass what a command has read and planned to a flow in the same process.

The parameters of a flow are strings, because runs are also started through Prefect's API. Without
this module, a flow that is called here would read the configuration, resolve the model and plan
again.
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
    from aedetect.jobs.scoring_stages import ScoringJob
    from aedetect.scoring import Model


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A configuration, the parameters that it was read from, the resolved model and the plan."""

    config_path: str
    overrides: tuple[str, ...]
    config: Config
    model: Model | None = None  # None: resolved by the flow
    job: ScoringJob | None = None  # None: planned by the flow


_prepared: ContextVar[Prepared | None] = ContextVar("prepared", default=None)


@contextmanager
def passing_on(prepared: Prepared) -> Iterator[None]:
    """Let flows that are called in the body with the same parameters reuse these values."""
    token = _prepared.set(prepared)
    try:
        yield
    finally:
        _prepared.reset(token)


def prepare_run(config_path: str, overrides: Sequence[str] | None) -> Prepared:
    """Return the values passed on for these parameters, or else read the configuration."""
    given = _prepared.get()
    chosen = tuple(overrides or ())
    if given is not None and (given.config_path, given.overrides) == (config_path, chosen):
        return given
    config = read_config(Path(config_path), chosen, secrets=secrets())
    return Prepared(config_path=config_path, overrides=chosen, config=config)
