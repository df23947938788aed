"""Partitions that a command computes before its flow runs, while Prefect is imported and started.

Files are the only state: what is computed is what the tasks of the flow would compute, and they
wait for it. Without the flow, such as when no server comes up, the next run forms the events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aedetect.errors import AedetectError
from aedetect.execution.local_compute import computing
from aedetect.jobs.delivery import check_delivery
from aedetect.scoring.grouping import group_units
from aedetect.scoring.loaded import cached_outline
from aedetect.scoring.time_sort import is_sorting_faster

if TYPE_CHECKING:
    from pathlib import Path

    from aedetect.config import Config
    from aedetect.execution.local_compute import Compute
    from aedetect.jobs.scoring_stages import ScoringJob
    from aedetect.scoring import Unit


@dataclass(frozen=True)
class _Begun:
    """Partitions that are being computed."""

    units: Sequence[Unit]
    output: Path
    compute: Compute
    processes: ExitStack


_begun: ContextVar[_Begun | None] = ContextVar("begun", default=None)


@contextmanager
def computing_ahead(config: Config, job: ScoringJob | None, *, what_if: bool) -> Iterator[None]:
    """Compute the partitions of a plan from now on, where nothing has to be done before that."""
    if job is None or not _may_begin(config, job, what_if=what_if):
        yield
        return
    units = job.plan.compute
    groups = group_units(units, job.model)
    with ExitStack() as processes:
        compute = processes.enter_context(computing(groups, model=job.model, output=job.output))
        token = _begun.set(_Begun(units, job.output, compute, processes))
        try:
            yield
        finally:
            _begun.reset(token)


def begun_ahead(units: Sequence[Unit], *, output: Path) -> AbstractContextManager[Compute] | None:
    """Return what waits for these partitions and ends with the body, if they are under way."""
    begun = _begun.get()
    if begun is None or begun.output != output or tuple(begun.units) != tuple(units):
        return None
    return _taken_over(begun)


@contextmanager
def _taken_over(begun: _Begun) -> Iterator[Compute]:
    with begun.processes:
        yield begun.compute


def _may_begin(config: Config, job: ScoringJob, *, what_if: bool) -> bool:
    """Whether the flow does nothing before it computes that changes what is computed."""
    outline, units = cached_outline(job.model.folder), job.plan.compute
    if not units or config.scoring.executor != "local" or config.renew is not None:
        return False
    if is_sorting_faster(units, lookback=outline.lookback, lookahead=outline.lookahead):
        return False
    try:
        if not what_if:
            check_delivery(config)
    except AedetectError:  # the flow meets it, too, and reports it
        return False
    return True
