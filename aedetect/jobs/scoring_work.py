"""The scoring run of one of many detectors, as a process does it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aedetect.errors import AedetectError, RunFailed
from aedetect.jobs.scoring import run_scoring
from aedetect.jobs.table_clock import read_span
from aedetect.jobs.training_work import quiet

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.scoring import Model, Summary


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What is asked of the scoring runs of many detectors."""

    since: str | None = None
    until: str | None = None
    rescore: bool = False
    force: bool = False
    config_path: str | None = None


@dataclass(frozen=True, kw_only=True)
class ScoringItem:
    """The run of one detector; nothing in it refers to a secret."""

    config: Config
    model: Model
    options: RunOptions
    run_id: str | None


def score_packed(_shared: bytes, item: bytes) -> bytes:
    """Run the scoring of one detector; its summary or its error is the result."""
    one: ScoringItem = pickle.loads(item)  # noqa: S301 - from the process that runs the job
    result: Summary | AedetectError
    try:
        with quiet():
            result = _scored(one)
    except AedetectError as error:
        result = error
    except Exception as error:  # the others are to go on
        result = RunFailed(f"unexpected {type(error).__name__}: {error}")
    return pickle.dumps(result)


def _scored(one: ScoringItem) -> Summary:
    asked = one.options
    return run_scoring(
        one.config,
        span=read_span(one.config, asked.since, asked.until, now=_now()),
        rescore=asked.rescore,
        force=asked.force,
        clock=_now,
        model=one.model,
        run_id=one.run_id,
        config_path=asked.config_path,
    )


def _now() -> datetime:
    return datetime.now(UTC)
