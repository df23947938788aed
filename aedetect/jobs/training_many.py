"""Many trainings in parallel: several configurations, and one detector for each value of a column.

They are trained by processes of this machine, or by the workers of `[scoring] executor`; this
process registers each as it comes in. One that fails fails alone.
"""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.config import of_value
from aedetect.errors import AedetectError, ClusterError, ConfigError, RegistryError, RunFailed
from aedetect.execution.cluster import connect_cluster
from aedetect.execution.local_pool import LocalPool, usable_cores
from aedetect.execution.probe import installed_versions
from aedetect.execution.shipping import unpack_folder
from aedetect.jobs.division import divide_training
from aedetect.jobs.gate import settle_challenger
from aedetect.jobs.retraining import noting_attempt, retraining_due
from aedetect.jobs.training_work import TrainedDetector, train_packed
from aedetect.logs import log_event
from aedetect.registry.tags import set_version_tags
from aedetect.secrets import Secrets
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.execution.cluster import Cluster
    from aedetect.jobs.retraining import RetrainingDue

logger = logging.getLogger(__name__)
_SHOWN = 5  # in a message
_MOST_REGISTRY_ERRORS = 2  # one after the other; then no further one is tried


@dataclass(frozen=True, kw_only=True)
class OneOfMany:
    """One of many detectors, and what became of its training."""

    name: str
    value: str | None = None  # of the column `[detector] by`
    rows: int | None = None  # normal rows that it learnt from
    seconds: float | None = None
    registered: registry.Registered | None = None
    error: str | None = None  # in one line; None: it is registered


@dataclass(frozen=True)
class _Todo:
    """A detector to train; `due` says why, for one that is trained for age or drift."""

    config: Config
    due: RetrainingDue | None = None
    tags: Mapping[str, str] = field(default_factory=dict)  # of the version


def train_many(
    configs: Sequence[Config], *, if_due: bool = False, processes: int | None = None
) -> tuple[OneOfMany, ...]:
    """Train, calibrate and register all detectors of some configurations, in their order.

    With `if_due` those alone for which age or drift asks for it. Raises ConfigError when two have
    one name, RegistryError when the registry does not answer, and ClusterError without a cluster.
    """
    todo: list[_Todo] = []
    failed: list[OneOfMany] = []
    for config in configs:
        registry.list_versions(name=config.name, tracking_uri=config.tracking_uri)
        try:
            todo += _due(_detectors(config)) if if_due else map(_Todo, _detectors(config))
        except AedetectError as error:
            failed.append(OneOfMany(name=config.name, error=_line(error)))
    _check_distinct([each.config for each in todo])
    log_event(logger, "step", text=f"training {len(todo):,} detectors", of=len(todo), number=0)
    done = {each.name: each for each in (*failed, *_trained(todo, processes))}
    order = [config.name for config in configs] + [each.config.name for each in todo]
    return tuple(done[name] for name in dict.fromkeys(order) if name in done)


def raise_failed(trained: tuple[OneOfMany, ...]) -> tuple[OneOfMany, ...]:
    """Return what was trained; raise RunFailed with the names of those that failed."""
    failed = [f"{each.name}: {each.error}" for each in trained if each.error is not None]
    if failed:
        raise RunFailed(
            f"{len(failed):,} of {len(trained):,} detectors failed, all others are registered: "
            f"{list_some(failed, most=_SHOWN)}"
        )
    return trained


def _detectors(config: Config) -> Iterator[Config]:
    """Yield the configuration of each detector of a configuration."""
    if config.detector.by is None:
        yield config
        return
    log_event(logger, "step", text=f"dividing the data by {config.detector.by}")
    divided = divide_training(config)
    for note in divided.notes:
        log_event(logger, "note", text=note)
    for value in divided.rows:
        yield of_value(config, value)


def _due(configs: Iterator[Config]) -> Iterator[_Todo]:
    for config in configs:
        due = retraining_due(config)
        if due is not None:
            yield _Todo(due.learning(config), due, due.tags(config))


def _check_distinct(configs: Sequence[Config]) -> None:
    counts = Counter(config.name for config in configs)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ConfigError(
            f"two detectors are named {twice[0]}: give each [detector] name of its own"
        )


def _trained(todo: Sequence[_Todo], processes: int | None) -> Iterator[OneOfMany]:
    """Train on one engine after the other, and register what comes back."""
    number = 0
    by_engine = sorted(todo, key=_engine)
    for (executor, address), same in groupby(by_engine, key=_engine):
        some = list(same)
        with _connected(executor, address, processes) as engine:
            items = [pickle.dumps(_portable(each.config)) for each in some]
            errors = 0
            for place, result in engine.compute(train_packed, items, shared=b""):
                number += 1
                one = _finished(some[place], pickle.loads(result))  # noqa: S301 - from our workers
                errors = errors + 1 if isinstance(one, RegistryError) else 0
                if isinstance(one, RegistryError) and errors >= _MOST_REGISTRY_ERRORS:
                    raise one
                done = _failure(some[place], one) if isinstance(one, AedetectError) else one
                log_event(logger, "step", text=_told(done), of=len(todo), number=number)
                yield done


def _engine(todo: _Todo) -> tuple[str, str]:
    scoring = todo.config.scoring
    return scoring.executor, scoring.address or ""


@contextmanager
def _connected(executor: str, address: str, processes: int | None) -> Iterator[Cluster]:
    """Yield what trains; raise ClusterError for workers with other versions than here."""
    if executor == "local":
        yield LocalPool(processes or usable_cores())
        return
    with connect_cluster(executor, address) as cluster:  # type: ignore[arg-type]
        cluster.size()  # waits for a worker
        mine = installed_versions()
        for worker, found in cluster.everywhere(pack_versions, b"").items():
            theirs = pickle.loads(found)  # noqa: S301 - from our own workers
            for name, wanted in mine.items():
                if theirs.get(name) != wanted:
                    raise ClusterError(
                        f"the worker {worker} has {name} {theirs.get(name)}, and this process "
                        f"{wanted}: install the same versions"
                    )
        yield cluster


def pack_versions(_shared: bytes, _item: bytes) -> bytes:
    """Return the versions that a worker has of what decides the result."""
    return pickle.dumps(installed_versions())


def _portable(config: Config) -> Config:
    """Return a configuration as it travels: without secrets, on one thread, on the processor."""
    return replace(config, secrets=Secrets(), whole=None)


def _finished(todo: _Todo, result: TrainedDetector | AedetectError) -> OneOfMany | AedetectError:
    """Register a detector that was trained, and send it through the gate; or return the error."""
    try:
        if todo.due is None:
            return _registered(todo.config, result, tags=todo.tags)
        with noting_attempt(todo.config, todo.due):
            return _registered(todo.config, result, tags=todo.tags)
    except AedetectError as error:
        return error


def _registered(
    config: Config, result: TrainedDetector | AedetectError, *, tags: Mapping[str, str]
) -> OneOfMany:
    if isinstance(result, AedetectError):
        raise result
    uri = config.tracking_uri
    folder = Path(unpack_folder(result.detector))
    registered = registry.register_version(folder, record=result.record, tracking_uri=uri)
    if tags:
        registered = set_version_tags(registered, tags, tracking_uri=uri)
    return OneOfMany(
        name=config.name,
        value=_value(config),
        rows=result.rows,
        seconds=result.seconds,
        registered=settle_challenger(config, registered),
    )


def _failure(todo: _Todo, error: AedetectError) -> OneOfMany:
    return OneOfMany(name=todo.config.name, value=_value(todo.config), error=_line(error))


def _value(config: Config) -> str | None:
    return None if config.detector.only is None else str(config.detector.only)


def _line(error: AedetectError) -> str:
    return " ".join(str(error).split())


def _told(one: OneOfMany) -> str:
    return f"trained {one.name}" if one.error is None else f"{one.name} failed"
