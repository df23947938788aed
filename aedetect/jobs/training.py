"""A training run: its stages as plain functions, and the order in which they are called.

The first two stages are in `aedetect.jobs.dataset`. The flow in `pipelines/training.py` is
`run_training` with the same stages as Prefect tasks.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect import registry
from aedetect.calibration import HeldOut
from aedetect.calibration import fit_calibration as choose_threshold
from aedetect.calibration.feature_limits import fit_limits
from aedetect.calibration.forecast import Timing
from aedetect.calibration.log import log_calibration
from aedetect.detector import CalibratedScorer, Scorer, Series
from aedetect.detector.residuals import Residuals
from aedetect.detector.rules import ColumnRules
from aedetect.detector.ticks import ticks_of
from aedetect.drift import Profile
from aedetect.events import EventRules
from aedetect.jobs.dataset import ingest_rows, prepare_rows
from aedetect.jobs.labelled_rows import labelled_rows
from aedetect.jobs.own_values import estimate_own_values
from aedetect.jobs.residuals import learn_statistics
from aedetect.jobs.run_record import run_metrics, run_parameters, signature_columns
from aedetect.preprocessing import Part, Windows, split_by_time
from aedetect.registry.publish import check_experiment
from aedetect.registry.records import TrainingRecord
from aedetect.training import Fitted, Ingested, PreparedRows, fit_trimmed, train_network
from aedetect.training.fit import build_network
from aedetect.training.suspect_rows import SuspectRows, find_suspect_rows, log_suspect_rows

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.models.base import Autoencoder

SUSPECT_ROWS_FILE = "distrusted.json"  # artifact of the run: the rows that [training] trim left out


@dataclass(frozen=True)
class Trained:
    """A scorer, and how its network was trained."""

    scorer: Scorer
    fitted: Fitted
    suspect: tuple[SuspectRows, ...] = ()  # see [training] trim; the largest error first


def train_scorer(config: Config, ingested: Ingested, prepared: PreparedRows) -> Trained:
    """Train the network and estimate its residuals, without the calibration rows."""
    preparation, windows = prepared.preparation, prepared.windows
    model = build_network(
        config.model,
        length=config.window.length,
        inputs=preparation.width,
        outputs=len(preparation.owner),
        seed=config.training.seed,
    )
    if config.training.trim:
        fitted, windows, suspect = _trimmed(config, ingested, prepared, model)
    else:
        suspect = ()
        fitted = train_network(
            model, windows[Part.LEARN], windows[Part.VALIDATE], settings=config.training
        )
    scorer = Scorer(
        schema=ingested.schema,
        preparation=preparation,
        model=fitted.model,
        score=config.calibration.score,
        residuals=Residuals(np.ones((1, 1), dtype=np.float32)),  # measured below
        worst=config.calibration.worst,
        rules=ColumnRules.fit(
            ingested.rows,
            schema=ingested.schema,
            settings=config.rules,
            per_entity=config.prepare.per_entity,
        ),
        own=estimate_own_values(preparation, series_of(ingested, prepared), windows),
        alignment=config.calibration.alignment,
        smooth=config.calibration.smooth,
    )
    series = series_of(ingested, prepared)
    stride = config.window.stride
    residuals = learn_statistics(scorer, ingested.rows, series, windows, stride=stride)
    return Trained(replace(scorer, residuals=residuals), fitted, suspect)


def _trimmed(
    config: Config, ingested: Ingested, prepared: PreparedRows, model: Autoencoder
) -> tuple[Fitted, Mapping[Part, Windows], tuple[SuspectRows, ...]]:
    """Train without the rows of largest error; return the remaining windows and suspect rows."""
    rows, schema = ingested.rows, ingested.schema
    part = split_by_time(rows, holdout=config.calibration.holdout, gap=config.window.length)
    trimmed = fit_trimmed(model, prepared.windows, part, settings=config.training)
    suspect = find_suspect_rows(
        trimmed,
        prepared.windows,
        part,
        rows=rows,
        schema=schema,
        preparation=prepared.preparation,
        bridge=EventRules.of(config.events, max_gap=schema.max_gap).bridge,
    )
    log_suspect_rows(suspect)
    return trimmed.fitted, trimmed.windows, suspect


def calibrate_detector(
    config: Config, ingested: Ingested, prepared: PreparedRows, trained: Trained
) -> CalibratedScorer:
    """Score the held-out windows and choose the threshold."""
    scorer, series = trained.scorer, series_of(ingested, prepared)
    asked = np.zeros(len(series.back), dtype=np.bool_)
    asked[prepared.windows[Part.CALIBRATE].ends] = True
    ends, evaluated = scorer.judge(series, asked)
    rows, preparation = ingested.rows, prepared.preparation
    normal = HeldOut.of(evaluated.score, entity=rows.entity[ends], time=rows.time[ends])
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
        profile=Profile.fit(rows, preparation, period=ingested.schema.period, held_out=normal),
    )


def register_detector(
    config: Config, ingested: Ingested, trained: Trained, detector: CalibratedScorer
) -> registry.Registered:
    """Register the detector, with a record of its training."""
    record = TrainingRecord(
        name=config.name,
        variant=config.model.variant,
        parameters=run_parameters(config, ingested, trained.scorer),
        epochs=[asdict(epoch) for epoch in trained.fitted.epochs],
        metrics=run_metrics(ingested, detector),
        data_source=", ".join(config.data.sources),
        data_fingerprint=ingested.fingerprint,
        data_columns=signature_columns(ingested.schema),
        config_hash=config.hash,
        tags={f"note_{number}": note for number, note in enumerate(ingested.notes, start=1)},
        texts=_texts(trained),
    )
    with tempfile.TemporaryDirectory(prefix="aedetect-") as name:
        detector.save(folder := Path(name))
        return registry.register_version(folder, record=record, tracking_uri=config.tracking_uri)


def _texts(trained: Trained) -> dict[str, str]:
    """Return the text artifacts of the run, by name."""
    if not trained.suspect:
        return {}
    return {SUSPECT_ROWS_FILE: json.dumps([asdict(each) for each in trained.suspect], indent=1)}


@dataclass(frozen=True, kw_only=True)
class TrainingStages:
    """The stages of a training run, in order. The defaults are plain functions."""

    ingest: Callable[[Config, Path], Ingested] = ingest_rows
    prepare: Callable[[Config, Ingested, Path], PreparedRows] = prepare_rows
    train: Callable[[Config, Ingested, PreparedRows], Trained] = train_scorer
    calibrate: Callable[[Config, Ingested, PreparedRows, Trained], CalibratedScorer] = (
        calibrate_detector
    )
    register: Callable[[Config, Ingested, Trained, CalibratedScorer], registry.Registered] = (
        register_detector
    )


PLAIN = TrainingStages()


def run_training(
    config: Config, *, stages: TrainingStages = PLAIN
) -> tuple[CalibratedScorer, registry.Registered]:
    """Train, calibrate and register: the order of the stages of a training run."""
    check_experiment(name=config.name, tracking_uri=config.tracking_uri)
    with tempfile.TemporaryDirectory(prefix="aedetect-") as folder:
        ingested, trained, detector = train_detector(config, Path(folder), stages=stages)
        return detector, stages.register(config, ingested, trained, detector)


def train_detector(
    config: Config, scratch: Path, *, stages: TrainingStages = PLAIN
) -> tuple[Ingested, Trained, CalibratedScorer]:
    """Train and calibrate with a scratch folder, without registering."""
    ingested = stages.ingest(config, scratch)
    prepared = stages.prepare(config, ingested, scratch)
    trained = stages.train(config, ingested, prepared)
    return ingested, trained, stages.calibrate(config, ingested, prepared, trained)


def series_of(ingested: Ingested, prepared: PreparedRows) -> Series:
    """Return the rows of all parts for scoring; no window spans two parts."""
    windows = prepared.windows[Part.LEARN]  # all parts share the same rows
    return Series(
        matrix=windows.matrix,
        observed=windows.observed,
        entity=prepared.preparation.entity_codes(ingested.rows),
        back=prepared.back,
        valid=np.ones(len(prepared.back), dtype=np.bool_),
        tick=ticks_of(ingested.rows, ingested.schema),
    )
