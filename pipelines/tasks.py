"""The stages as Prefect tasks. Retries are declared here, around plain functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.utilities.annotations import quote

from aedetect.errors import AedetectError, DeliveryError
from aedetect.execution.local_compute import computing
from aedetect.jobs import (
    dataset,
    delivery,
    fit_scorer,
    report,
    scoring,
    scoring_plan,
    training,
)
from aedetect.jobs.lines_ahead import draw_ahead
from aedetect.jobs.scoring_units import compute_remotely
from aedetect.scoring import Model, Unit
from aedetect.scoring.grouping import group_units
from aedetect.scoring.settings import ScoringSettings
from aedetect.scoring.worker import ComputedPartition, Deferred
from pipelines.ahead import begun_ahead
from pipelines.bundles import bundle_groups, compute_bundle
from pipelines.endings import quiet_remainders, quiet_tracebacks
from pipelines.naming import name_groups, name_units
from pipelines.retraining import start_training
from pipelines.retries import DELAYS

_P = ParamSpec("_P")
_R = TypeVar("_R")


def should_retry(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """Whether to retry: an error raised by aedetect would recur.

    The exception is a database that is unavailable, which may be back.
    """
    try:
        state.result()
    except DeliveryError:
        return True
    except AedetectError:
        return False
    except Exception:
        return True
    return False


def _task(
    function: Callable[_P, _R],
    name: str,
    *,
    retried: bool = True,
    run_name: Any = None,  # called with parameters=...; no function fits Prefect's type for it
) -> Task[_P, _R]:
    """Wrap a stage, without hashing arguments or storing results: files are the state."""
    return Task(
        function,
        name=name,
        task_run_name=run_name or name,  # not with random letters behind it
        retries=len(DELAYS) if retried else 0,
        retry_delay_seconds=DELAYS,
        retry_condition_fn=should_retry,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def given_whole(task: Task[_P, Any]) -> Callable[_P, Any]:
    """Call a task with parameters that Prefect does not search for results of other tasks.

    It would go through each partition of a plan and each file of it, several times.
    """

    @wraps(task.fn)
    def call(*args: _P.args, **options: _P.kwargs) -> Any:
        given: Any = [quote(each) for each in args]
        named: Any = {name: quote(each) for name, each in options.items()}
        return task(*given, **named)

    return call


quiet_tracebacks()
quiet_remainders()
ingest = _task(dataset.ingest_rows, "ingest")
# Pure computation: a retry would give the same result.
prepare = _task(dataset.prepare_rows, "prepare", retried=False)
train = _task(fit_scorer.train_scorer, "train", retried=False)
calibrate = _task(training.calibrate_detector, "calibrate", retried=False)

register = _task(training.register_detector, "register")

resolve_model = _task(scoring.resolve_model, "resolve model")
make_plan = _task(scoring_plan.plan_run, "plan")
sort_input = _task(scoring_plan.sort_run, "sort by time")
score_on_cluster = _task(compute_remotely, "score on the cluster", run_name=name_units)
score_partitions = _task(compute_bundle, "score partitions", run_name=name_groups)
form_events = _task(scoring.form_run_events, "form events")
finish = _task(scoring.finish_run, "finish")
write_page = _task(report.write_run_page, "write page", retried=False)
# A retry would wait again for receivers that hang; the next run retries them.
notify = _task(delivery.notify, "notify", retried=False)
fill_database = _task(delivery.fill_database, "fill database")


def compute_units(
    units: Sequence[Unit], *, model: Model, output: Path, settings: ScoringSettings
) -> list[ComputedPartition | Deferred]:
    """Compute some groups of partitions in each task, on the task runner of the flow.

    Of a large run, the tasks wait for processes of this machine, which may have begun. A cluster
    has its own retries and its own record of tasks: there all groups are one task.
    """
    if units and settings.executor != "local":
        return score_on_cluster(units, model=model, output=output, settings=settings)
    bundles = bundle_groups(groups := list(group_units(units, model)))
    begun = begun_ahead(units, output=output)
    with begun or computing(groups, model=model, output=output) as compute:
        mapped = score_partitions.map(quote(bundles), compute=unmapped(compute))
        return [done for bundle in mapped.result() for done in bundle]


TRAINING = training.TrainingStages(
    ingest=ingest, prepare=prepare, train=train, calibrate=calibrate, register=register
)
# The flow supplies the report, because it belongs to the flow run.
SCORING = replace(
    scoring.PLAIN,
    resolve_model=given_whole(resolve_model),
    plan=given_whole(make_plan),
    sort=given_whole(sort_input),
    compute=compute_units,
    form_events=given_whole(form_events),
    finish=given_whole(finish),
    write_page=given_whole(write_page),
    draw_lines=draw_ahead,
    notify=given_whole(notify),
    fill_database=given_whole(fill_database),
    start_training=start_training,
)
