"""The scoring run of one of many detectors, as a process does it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aedetect.jobs.packed_work import packed_result
from aedetect.jobs.scoring import run_scoring
from aedetect.jobs.table_clock import read_span

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
    """Run the scoring of a packed ScoringItem: a Summary or an error, packed."""
    return packed_result(_scored, item)


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
