"""A training run: its stages as plain functions, and the order in which they are called.

The first two stages are in `aedetect.jobs.dataset`. The flow in `pipelines/training.py` is
`run_training` with the same stages as Prefect tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect import registry
from aedetect.calibration import HeldOut
from aedetect.calibration import fit_calibration as choose_threshold
from aedetect.calibration.feature_limits import fit_limits
from aedetect.calibration.forecast import Timing
from aedetect.calibration.log import log_calibration
from aedetect.calibration.trust import learnt_drift
from aedetect.detector import CalibratedScorer
from aedetect.drift import Profile
from aedetect.jobs.dataset import ingest_rows, prepare_rows
from aedetect.jobs.division import refresh_division
from aedetect.jobs.fit_scorer import Trained, series_of, train_scorer
from aedetect.jobs.gate import settle_challenger
from aedetect.jobs.labelled_rows import labelled_rows
from aedetect.jobs.learnt_rows import note_learnt
from aedetect.jobs.retraining import noting_attempt, retraining_due
from aedetect.jobs.training_record import make_record
from aedetect.logs import log_event
from aedetect.output.scratch import temporary_folder
from aedetect.preprocessing import Part
from aedetect.registry.publish import check_experiment
from aedetect.registry.tags import set_version_tags
from aedetect.training import Ingested, PreparedRows

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.config import Config
    from aedetect.detector import Evaluated, Scorer

logger = logging.getLogger(__name__)
_NONE: Mapping[str, str] = {}


def calibrate_detector(
    config: Config, ingested: Ingested, prepared: PreparedRows, trained: Trained
) -> CalibratedScorer:
    """Score the held-out windows and choose the threshold."""
    scorer, series = trained.scorer, series_of(ingested, prepared)
    rows, preparation = ingested.rows, prepared.preparation
    normal, ends, evaluated = _scores_of(Part.CALIBRATE, ingested, prepared, scorer)
    learnt, _, _ = _scores_of(Part.VALIDATE, ingested, prepared, scorer)
    labelled = labelled_rows(config, ingested, scorer, normal)
    calibration = choose_threshold(
        normal.joined(labelled),
        settings=config.calibration,
        timing=Timing.of(
            config.events,
            schema=ingested.schema,
            length=config.window.length,
            entities=ingested.rows.names,
        ),
        per_entity=bool(preparation.entities),
        trim=config.training.trim,
        learnt=learnt_drift(learnt, normal),
    )
    limits = fit_limits(
        series.matrix[ends, : evaluated.expected.shape[1]] - evaluated.expected,
        series.observed[ends],
        series.entity[ends],
        entities=len(preparation.entities),
        rate=calibration.threshold.rate,
    )
    log_calibration(calibration)
    return CalibratedScorer(
        scorer=scorer,
        calibration=replace(calibration, limits=limits),
        config_hash=config.hash,
        profile=Profile.fit(
            rows, preparation, period=ingested.schema.period, held_out=normal, learnt=learnt
        ),
    )


def _scores_of(
    part: Part, ingested: Ingested, prepared: PreparedRows, scorer: Scorer
) -> tuple[HeldOut, Int64, Evaluated]:
    """Return the scores of the rows of a part, their rows (N,), and what they were made of."""
    series, rows = series_of(ingested, prepared), ingested.rows
    asked = np.zeros(len(series.back), dtype=np.bool_)
    asked[prepared.windows[part].ends] = True
    ends, evaluated = scorer.judge(series, asked)
    scored = HeldOut.of(evaluated.score, entity=rows.entity[ends], time=rows.time[ends])
    return scored, ends, evaluated


def register_detector(
    config: Config,
    ingested: Ingested,
    trained: Trained,
    detector: CalibratedScorer,
    started: datetime,
) -> registry.Registered:
    """Register the detector, with a record of its training, which began at `started` (UTC)."""
    with temporary_folder() as name:
        detector.save(folder := name / "detector")
        plots = name / "plots"
        record = make_record(config, ingested, trained, detector, started=started, scratch=plots)
        return registry.register_version(folder, record=record, tracking_uri=config.tracking_uri)


@dataclass(frozen=True, kw_only=True)
class TrainingStages:
    """The stages of a training run, in order. The defaults are plain functions."""

    ingest: Callable[[Config, Path], Ingested] = ingest_rows
    prepare: Callable[[Config, Ingested, Path], PreparedRows] = prepare_rows
    train: Callable[[Config, Ingested, PreparedRows], Trained] = train_scorer
    calibrate: Callable[[Config, Ingested, PreparedRows, Trained], CalibratedScorer] = (
        calibrate_detector
    )
    register: Callable[
        [Config, Ingested, Trained, CalibratedScorer, datetime], registry.Registered
    ] = register_detector


PLAIN = TrainingStages()


def run_training(
    config: Config, *, stages: TrainingStages = PLAIN, tags: Mapping[str, str] = _NONE
) -> tuple[CalibratedScorer, registry.Registered]:
    """Train, calibrate and register: the order of the stages of a training run.

    `tags` are kept with the version, such as why a training was started for age or drift.
    """
    started, uri = datetime.now(UTC), config.tracking_uri
    refresh_division(config)
    check_experiment(name=config.name, tracking_uri=uri)
    with temporary_folder() as folder:
        ingested, trained, detector = train_detector(config, folder, stages=stages)
        log_event(logger, "step", text="registering the detector")
        registered = stages.register(config, ingested, trained, detector, started)
        registered = note_learnt(config, ingested, registered)
    if tags:
        registered = set_version_tags(registered, tags, tracking_uri=uri)
    return detector, settle_challenger(config, registered)


def retrain_if_due(
    config: Config, *, stages: TrainingStages = PLAIN
) -> tuple[CalibratedScorer, registry.Registered] | None:
    """Train for age or drift; None when that is not due, or no longer."""
    due = retraining_due(config)
    if due is None:
        return None
    with noting_attempt(config, due):
        return run_training(due.learning(config), stages=stages, tags=due.tags(config))


def train_detector(
    config: Config, scratch: Path, *, stages: TrainingStages = PLAIN
) -> tuple[Ingested, Trained, CalibratedScorer]:
    """Train and calibrate with a scratch folder, without registering."""
    log_event(logger, "step", text="reading the training data")
    ingested = stages.ingest(config, scratch)
    log_event(logger, "step", text="scaling, and cutting into windows")
    prepared = stages.prepare(config, ingested, scratch)
    trained = stages.train(config, ingested, prepared)
    log_event(logger, "step", text="calibrating the threshold")
    return ingested, trained, stages.calibrate(config, ingested, prepared, trained)
