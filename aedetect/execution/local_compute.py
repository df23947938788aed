"""Partitions on the cores of this machine: in threads, in processes, or divided among processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.execution.early_processes import end_early, started_ahead
from aedetect.execution.kept_processes import keep_or_close
from aedetect.execution.local_pool import usable_cores
from aedetect.execution.local_processes import Done, Group, LocalProcesses
from aedetect.scoring.sharding import shards_wanted
from aedetect.scoring.waves import compute_in_waves
from aedetect.scoring.worker import compute_group

if TYPE_CHECKING:
    from aedetect.scoring import Model, Unit
    from aedetect.scoring.worker import ComputedPartition, Deferred

Compute = Callable[[Group], Done]
_FEWEST_ROWS = 500_000  # for which starting processes is worth it
_ROWS_OF_A_UNIT = 5_000  # that take as long as its files and folders


@contextmanager
def computing(groups: Sequence[Group], *, model: Model, output: Path) -> Iterator[Compute]:
    """Yield what computes a group, in any thread: in processes if there is much to do.

    They begin with all groups at once; asking for one waits for it.
    """
    units = [unit for group in groups for unit in group]
    cores = usable_cores()
    worth = is_worth_processes(units)
    divided = worth and max(shards_wanted(units, model, output, cores=cores)) > 1
    count = cores if divided else min(cores, len(groups))
    if count == 1 or not worth:
        end_early()
        yield lambda group: compute_group(group, model=model, output=output)
        return
    processes = (started_ahead() or LocalProcesses(count)).give(model=model, output=output)
    try:
        yield _begin_waves(processes, units, model, output) if divided else processes.begin(groups)
    except BaseException:
        processes.kill()
        processes.close()
        raise
    keep_or_close(processes)


def _begin_waves(
    processes: LocalProcesses, units: Sequence[Unit], model: Model, output: Path
) -> Compute:
    """Begin with all partitions in a thread, large ones by shards; return what waits for them."""

    def compute() -> dict[str, ComputedPartition | Deferred]:
        computed = compute_in_waves(
            units, model=model, output=output, cores=processes.count, compute=processes.compute_all
        )
        return {each.partition: each for each in computed}

    with_waves = ThreadPoolExecutor(1, thread_name_prefix="waves")
    begun = with_waves.submit(copy_context().run, compute)
    with_waves.shutdown(wait=False)
    return lambda group: [begun.result()[str(unit.partition)] for unit in group]


def is_worth_processes(units: Sequence[Unit]) -> bool:
    """Whether partitions are so large, or so many, that processes compute them; on Linux alone.

    Elsewhere a process that has imported PyTorch may not be safe to fork.
    """
    rows = sum((unit.expected or 0) + _ROWS_OF_A_UNIT for unit in units)
    return sys.platform == "linux" and usable_cores() > 1 and rows >= _FEWEST_ROWS
