"""Train several variants on the same rows, rank them, and report whether any beats linear.

Variants are ranked by anomalies injected into copies of held-out rows. With labels, a second
ranking and the agreement of both are reported. The results do not depend on the number of jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, get_args

from aedetect.data.schema import suggest_nearest
from aedetect.errors import ConfigError
from aedetect.evaluation import Comparison
from aedetect.evaluation.comparison import LINEAR, Result, as_table, verdict
from aedetect.evaluation.ranking import (
    Lead,
    ModelScores,
    agreement,
    by_kind,
    by_strength,
    lead,
    precision,
)
from aedetect.jobs import comparison_data
from aedetect.jobs.dataset import ingest_rows, prepare_rows
from aedetect.jobs.fit_scorer import Trained, train_scorer
from aedetect.jobs.run_record import epoch_metrics, run_parameters
from aedetect.logs import log_event
from aedetect.models.settings import VariantName
from aedetect.models.threads import one_thread
from aedetect.output.scratch import temporary_folder
from aedetect.registry import log_nested
from aedetect.registry.records import RunRecord
from aedetect.training import Ingested, PreparedRows

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.detector import Scorer
    from aedetect.jobs.comparison_data import ComparisonData

logger = logging.getLogger(__name__)

COMPARISON_FILE = "comparison.json"  # table of the run: a row a variant, the best first
CpuClock = Callable[[], float]  # CPU time of the calling thread, in s


@dataclass(frozen=True)
class _VariantRun:
    result: Result
    found: ModelScores
    record: RunRecord


def choose_variants(names: Sequence[str]) -> tuple[VariantName, ...]:
    """Return the variants to compare: those named, or all; always including linear."""
    known: tuple[VariantName, ...] = get_args(VariantName)
    for name in names:
        if name not in known:
            raise ConfigError(
                f'"{name}" is not a variant{suggest_nearest(name, known)}; '
                f"there are {', '.join(known)}"
            )
    return tuple(name for name in known if not names or name in {*names, LINEAR})


def compare_variants(
    config: Config, variants: Sequence[VariantName], *, clock: CpuClock, jobs: int = 1
) -> Comparison:
    """Ingest and prepare once, train and score each variant, and log a ranking as nested runs."""
    with temporary_folder() as scratch:
        folder = scratch / "later"
        folder.mkdir()
        ingested = ingest_rows(config, scratch)
        prepared = prepare_rows(config, ingested, scratch)
        task = comparison_data.prepare_comparison(config, ingested, prepared, folder)
        one = partial(_run_variant, config, ingested, prepared, task, clock)
        with ThreadPoolExecutor(max(1, min(jobs, len(variants)))) as pool:
            done = list(pool.map(one, variants))
        return _ranked(config, task, done, ingested.fingerprint)


def _run_variant(
    config: Config,
    ingested: Ingested,
    prepared: PreparedRows,
    task: ComparisonData,
    clock: CpuClock,
    variant: VariantName,
) -> _VariantRun:
    """Train one variant and score the comparison data, in one thread."""
    own = _settings(config, variant)
    with one_thread():  # the rounding depends on the number of threads
        begin = clock()
        trained = train_scorer(own, ingested, prepared)
        ready = clock()
        normal = task.normal.scores(trained.scorer)
        seconds, scoring = ready - begin, max(clock() - ready, 1e-9)
        found = ModelScores(normal, task.altered.scores(trained.scorer))
        labelled = _on_labels(trained.scorer, task)
    result = Result(
        variant=variant,
        kinds=by_kind(found, task.injected),
        strengths=by_strength(found, task.injected),
        labelled=labelled,
        seconds=seconds,
        rows_per_second=len(normal) / scoring,
    )
    log_event(logger, "compared", variant=variant, precision=result.injected, seconds=seconds)
    return _VariantRun(result, found, _record(own, ingested, trained, result))


def _settings(config: Config, variant: VariantName) -> Config:
    """Return the configuration of one variant; the elbo score, of one variant only, becomes mse."""
    score = "mse" if config.calibration.score == "elbo" else config.calibration.score
    return replace(
        config,
        model=replace(config.model, variant=variant),
        calibration=replace(config.calibration, score=score),
    )


def _on_labels(scorer: Scorer, task: ComparisonData) -> float | None:
    if task.labelled is None:
        return None
    score, truth = task.labelled.batch.scores(scorer), task.labelled.truth
    return precision(score[~truth], score[truth])


def _ranked(
    config: Config, task: ComparisonData, done: Sequence[_VariantRun], fingerprint: str
) -> Comparison:
    """Rank the results, compare the best with linear, and log them."""
    order = sorted(done, key=lambda each: -each.result.injected)
    best, others = order[0], order[1:]
    rivals = [each for each in others if LINEAR in {best.result.variant, each.result.variant}]
    ahead = (
        lead(best.found, rivals[0].found, task.injected, seed=config.training.seed)
        if rivals
        else None
    )
    labelled = [each.result.labelled for each in order]
    known = [value for value in labelled if value is not None]
    comparison = Comparison(
        results=tuple(each.result for each in order),
        lead=ahead,
        rival=rivals[0].result.variant if rivals else LINEAR,
        anomalies=len(set(task.injected.anomaly.tolist())),
        injected_rows=len(task.injected.anomaly),
        normal_rows=len(best.found.normal),
        labelled_rows=len(task.labelled.truth) if task.labelled else 0,
        agreement=agreement([each.result.injected for each in order], known) if known else None,
        seed=config.training.seed,
        run_id="",
    )
    return replace(comparison, run_id=_log_runs(config, comparison, order, fingerprint))


def _log_runs(
    config: Config, comparison: Comparison, order: Sequence[_VariantRun], fingerprint: str
) -> str:
    """Log the comparison as a run, with one child run per variant."""
    names = [result.variant for result in comparison.results]
    metrics = {"agreement": comparison.agreement, **_lead_metrics(comparison.lead)}
    parent = RunRecord(
        name="compare",
        parameters={"variants": ", ".join(names), "training.seed": comparison.seed},
        metrics={key: value for key, value in metrics.items() if value is not None},
        tags={"winner": names[0], "data_fingerprint": fingerprint, "verdict": verdict(comparison)},
        tables={COMPARISON_FILE: as_table(comparison.results)},
    )
    children = [each.record for each in order]
    return log_nested(parent, children, name=config.name, tracking_uri=config.tracking_uri)


def _lead_metrics(ahead: Lead | None) -> dict[str, float]:
    return {} if ahead is None else {f"lead_{key}": value for key, value in asdict(ahead).items()}


def _record(config: Config, ingested: Ingested, trained: Trained, result: Result) -> RunRecord:
    """Return the run record of one variant."""
    metrics = {
        "injected": result.injected,
        "labelled": result.labelled,
        "seconds": result.seconds,
        "rows_per_second": result.rows_per_second,
        **{f"injected_{kind}": value for kind, value in result.kinds.items()},
        **{f"injected_strength_{size:g}": value for size, value in result.strengths.items()},
    }
    return RunRecord(
        name=result.variant,
        parameters=run_parameters(config, ingested, trained.scorer),
        metrics={key: value for key, value in metrics.items() if value is not None},
        tags={"variant": result.variant, "config_hash": config.hash},
        epochs=[epoch_metrics(epoch) for epoch in trained.fitted.epochs],
    )
