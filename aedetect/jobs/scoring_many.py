"""The scoring of `[detector] by`: a run for each value, with the detector of that value.

The registry is asked once for all champions. A value without one is not scored, and is named; a run
that fails fails alone.
"""

from __future__ import annotations

import logging
import math
import pickle
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aedetect.config import of_value
from aedetect.errors import AedetectError, DataError, RunFailed, UnknownModel
from aedetect.execution.local_pool import LocalPool, usable_cores
from aedetect.jobs.division import divide_input
from aedetect.jobs.scoring_work import RunOptions, ScoringItem, score_packed
from aedetect.jobs.value_outputs import written_values
from aedetect.logs import log_event
from aedetect.registry.champions import find_champions
from aedetect.registry.lookup import saved_folder
from aedetect.scoring import Model
from aedetect.secrets import Secrets
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.registry.sqlite_reader import FoundVersion
    from aedetect.scoring import Summary

logger = logging.getLogger(__name__)
_SHOWN = 5  # in a message
_RUNS = 8  # for which a process of its own is worth its start


@dataclass(frozen=True, kw_only=True)
class ScoredValue:
    """One value of the column, and what became of its rows."""

    value: str
    name: str  # of the detector
    input_rows: int
    files: int
    summary: Summary | None = None
    error: str | None = None  # in one line; None: see the summary
    is_known: bool = True  # whether there is a detector for it


@dataclass(frozen=True, kw_only=True)
class ScoredValues:
    """The runs of all values."""

    by: str
    output: str
    values: tuple[ScoredValue, ...]
    notes: tuple[str, ...]  # rows and files that no detector takes

    @property
    def failed(self) -> tuple[ScoredValue, ...]:
        """The values whose run failed."""
        return tuple(each for each in self.values if each.error is not None and each.is_known)

    @property
    def unknown(self) -> tuple[ScoredValue, ...]:
        """The values without a detector."""
        return tuple(each for each in self.values if not each.is_known)

    @property
    def summaries(self) -> tuple[Summary, ...]:
        """The summaries of the runs that ended."""
        return tuple(each.summary for each in self.values if each.summary is not None)

    @property
    def rows(self) -> int:
        """Rows of the partitions that were computed."""
        return sum(each.rows for each in self.summaries)

    @property
    def flagged(self) -> int:
        """Rows that were flagged."""
        return sum(each.flagged for each in self.summaries)


def score_values(
    config: Config,
    *,
    options: RunOptions | None = None,
    run_id: str | None = None,
    processes: int | None = None,
) -> ScoredValues:
    """Score new and changed input of each value with its champion, in parallel."""
    by = config.detector.by
    assert by is not None
    log_event(logger, "step", text=f"dividing the input by {by}")
    divided = divide_input(config)
    for note in divided.notes:
        log_event(logger, "note", text=note)
    configs = {value: of_value(config, value) for value in divided.rows}
    names = [each.name for each in configs.values()]
    log_event(logger, "step", text=f"asking the registry for {len(names):,} detectors")
    found = find_champions(names, prefix=f"{config.name}-", tracking_uri=config.tracking_uri)
    asked = options or RunOptions()
    items, unscored = _items(config, configs, found, asked, run_id)
    results = _computed(config, items, processes) | unscored
    values = tuple(
        _outcome(value, each.name, divided.rows[value], divided.files[value], results[value])
        for value, each in configs.items()
    )
    notes = (*divided.notes, *_without_input(config, divided.rows))
    return ScoredValues(by=by, output=str(config.output), values=values, notes=notes)


def check_values(scored: ScoredValues, *, strict: bool) -> None:
    """Raise RunFailed for runs that failed; with `[scoring] strict` DataError for unknown values.

    All others are scored by then.
    """
    if scored.failed:
        failed = [f"{each.name}: {each.error}" for each in scored.failed]
        raise RunFailed(
            f"{len(failed):,} of {len(scored.values):,} runs failed, all others are done: "
            f"{list_some(failed, most=_SHOWN)}"
        )
    if strict and scored.unknown:
        named = list_some([each.value for each in scored.unknown], most=_SHOWN)
        raise DataError(
            f"there is no detector for {named}: [scoring] strict makes that a failure of the run; "
            "everything else is scored. Run aedetect train, and score again"
        )


def _items(
    config: Config,
    configs: Mapping[str, Config],
    found: Mapping[str, FoundVersion],
    options: RunOptions,
    run_id: str | None,
) -> tuple[dict[str, ScoringItem], dict[str, Summary | AedetectError]]:
    """Return the runs by value, and the errors of values that have no detector."""
    items: dict[str, ScoringItem] = {}
    unscored: dict[str, Summary | AedetectError] = {}
    plain = _resolved(config)
    for value, each in configs.items():
        champion = found.get(each.name)
        if champion is None:
            unscored[value] = UnknownModel(
                f"there is no detector {each.name} yet: `aedetect train CONFIG` trains those of "
                "all values"
            )
            continue
        own = champion.registered
        try:
            place = saved_folder(champion.location, own, tracking_uri=config.tracking_uri)
        except AedetectError as error:
            unscored[value] = error
            continue
        model = Model(folder=str(place), name=own.name, version=own.version)
        named = shlex.quote(f"detector.only={value}")
        path = options.config_path and f"{options.config_path} --set {named}"
        asked = replace(options, config_path=path)
        items[value] = ScoringItem(
            config=of_value(plain, value), model=model, options=asked, run_id=run_id
        )
    return items, unscored


def _resolved(config: Config) -> Config:
    """Return a configuration that refers to no secret: another process resolves none."""
    return replace(
        config,
        registry=replace(config.registry, tracking_uri=config.tracking_uri),
        database=replace(config.database, url=config.database_url),
        notify=replace(config.notify, urls=config.notify_urls),
        secrets=Secrets(),
    )


def _computed(
    config: Config, items: Mapping[str, ScoringItem], processes: int | None
) -> dict[str, Summary | AedetectError]:
    """Run all items; on a cluster one after the other, whose partitions its workers compute."""
    order = list(items)
    most = 1 if config.scoring.executor != "local" else usable_cores()
    pool = LocalPool(processes or min(most, math.ceil(len(order) / _RUNS) or 1))
    packed = [pickle.dumps(items[value]) for value in order]
    done: dict[str, Summary | AedetectError] = {}
    for number, result in pool.compute(score_packed, packed, shared=b""):
        done[order[number]] = pickle.loads(result)  # noqa: S301 - from our own processes
        text = f"scored {items[order[number]].config.name}"
        log_event(logger, "step", text=text, of=len(order), number=len(done))
    return done


def _outcome(
    value: str, name: str, rows: int, files: int, result: Summary | AedetectError
) -> ScoredValue:
    error = " ".join(str(result).split()) if isinstance(result, AedetectError) else None
    known = not isinstance(result, UnknownModel)
    return ScoredValue(
        is_known=known,
        value=value,
        name=name,
        input_rows=rows,
        files=files,
        summary=None if isinstance(result, AedetectError) else result,
        error=error,
    )


def _without_input(config: Config, known: Mapping[str, int]) -> Iterator[str]:
    """Say of which values there is output, and no input any more."""
    gone = [each for each, _ in written_values(config) if each not in known]
    if gone:
        yield (
            f"{len(gone):,} values have output and no input any more; the output stays: "
            f"{list_some(gone, most=_SHOWN)}"
        )
