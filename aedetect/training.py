"""The stages of a training run as plain functions; the first two are in `aedetect.learning`.

The flow in `pipelines/training.py` is made of these; `run` is the same without Prefect.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from aedetect import prepare as preparing
from aedetect import registry
from aedetect.calibrate import calibrate as choose_threshold
from aedetect.detector import Detector, Scorer, residual_sizes
from aedetect.distrust import Distrusted, stretches
from aedetect.durations import format_duration
from aedetect.fit import Fitted, build, fit
from aedetect.learning import Ingested, PreparedRows, ingest, prepare
from aedetect.logs import log_event
from aedetect.schema import Schema
from aedetect.split import Part, split
from aedetect.stretches import Rules
from aedetect.trim import fit_trimmed
from aedetect.window import Windows

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.models.base import Autoencoder

logger = logging.getLogger(__name__)

DISTRUSTED = "distrusted.json"  # of the run in MLflow: what [training] trim set aside
LOGGED = 10  # distrusted stretches at most
RESIDUAL_WINDOWS = 200_000  # of each part, evenly spread, that residuals are measured on


@dataclass(frozen=True)
class Trained:
    """A scorer, and how its network was trained."""

    scorer: Scorer
    fitted: Fitted
    distrusted: tuple[Distrusted, ...] = ()  # see [training] trim; the most error first


def train(config: Config, ingested: Ingested, prepared: PreparedRows) -> Trained:
    """Train the network, and measure its residuals; the calibration rows stay unseen."""
    preparation, windows = prepared.preparation, prepared.windows
    model = build(
        config.model,
        length=config.window.length,
        inputs=preparation.width,
        outputs=len(preparation.owner),
        seed=config.training.seed,
    )
    if config.training.trim:
        fitted, windows, distrusted = _trimmed(config, ingested, prepared, model)
    else:
        distrusted = ()
        fitted = fit(model, windows[Part.LEARN], windows[Part.VALIDATE], settings=config.training)
    scorer = Scorer(
        schema=ingested.schema,
        preparation=preparation,
        model=fitted.model,
        score=config.calibration.score,
        residual=np.ones((1, len(preparation.owner)), dtype=np.float32),  # measured below
    )
    scorer = replace(scorer, residual=_residuals(scorer, ingested, windows))
    return Trained(scorer, fitted, distrusted)


def _trimmed(
    config: Config, ingested: Ingested, prepared: PreparedRows, model: Autoencoder
) -> tuple[Fitted, Mapping[Part, Windows], tuple[Distrusted, ...]]:
    """Train without the rows that fit worst; return the windows left, and what is distrusted."""
    rows, schema = ingested.rows, ingested.schema
    part = split(rows, holdout=config.calibration.holdout, gap=config.window.length)
    trimmed = fit_trimmed(model, prepared.windows, part, settings=config.training)
    distrusted = stretches(
        trimmed,
        prepared.windows,
        part,
        rows=rows,
        schema=schema,
        preparation=prepared.preparation,
        bridge=Rules.of(config.events, max_gap=schema.max_gap).bridge,
    )
    for each in distrusted[:LOGGED]:
        log_event(
            logger,
            "distrusted",
            entity=each.entity,
            start=each.start,
            end=each.end,
            rows=each.rows,
            part=each.part,
            causes=", ".join(each.causes),
        )
    return trimmed.fitted, trimmed.windows, distrusted


def calibrate(
    config: Config, ingested: Ingested, prepared: PreparedRows, trained: Trained
) -> Detector:
    """Score the held-out windows and choose the threshold that they support."""
    held_out = prepared.windows[Part.CALIBRATE]
    entity = preparing.entity_codes(prepared.preparation, ingested.rows)
    evaluated = trained.scorer.evaluate(held_out.matrix, held_out.observed, entity, held_out.ends)
    calibration = choose_threshold(
        evaluated.score, settings=config.calibration, entity=entity[held_out.ends]
    )
    threshold = calibration.threshold
    log_event(
        logger,
        "calibrated",
        windows=len(calibration.scores),
        rate=threshold.rate,
        threshold=threshold.value,
        own=len(calibration.own),
    )
    return Detector(scorer=trained.scorer, calibration=calibration, config_hash=config.hash)


def register(
    config: Config, ingested: Ingested, trained: Trained, detector: Detector
) -> registry.Registered:
    """Register the detector with everything that one needs to know about how it came to be."""
    record = registry.TrainingRecord(
        name=config.name,
        variant=config.model.variant,
        parameters=parameters_of(config, ingested, trained),
        epochs=[asdict(epoch) for epoch in trained.fitted.epochs],
        metrics=_metrics(ingested, detector),
        data_source=", ".join(config.data.sources),
        data_fingerprint=ingested.fingerprint,
        data_columns=_columns(ingested.schema),
        config_hash=config.hash,
        tags={f"note_{number}": note for number, note in enumerate(ingested.notes, start=1)},
        texts=_texts(trained),
    )
    with tempfile.TemporaryDirectory(prefix="aedetect-") as folder:
        detector.save(Path(folder))
        return registry.register(Path(folder), record=record, tracking_uri=config.tracking_uri)


def _texts(trained: Trained) -> dict[str, str]:
    """Return the files that the run keeps, by name."""
    if not trained.distrusted:
        return {}
    return {DISTRUSTED: json.dumps([asdict(each) for each in trained.distrusted], indent=1)}


def run(config: Config) -> tuple[Detector, registry.Registered]:
    """Train, calibrate and register in this process."""
    with tempfile.TemporaryDirectory(prefix="aedetect-") as folder:
        ingested = ingest(config, Path(folder))
        prepared = prepare(config, ingested, Path(folder))
        trained = train(config, ingested, prepared)
        detector = calibrate(config, ingested, prepared, trained)
        return detector, register(config, ingested, trained, detector)


def _residuals(
    scorer: Scorer, ingested: Ingested, windows: Mapping[Part, Windows]
) -> npt.NDArray[np.float32]:
    """Measure residuals on the rows to learn from and to validate on, which are many: (E, D).

    On the former they are somewhat too small, alike for all columns; what counts is how the
    columns compare.
    """
    entity = preparing.entity_codes(scorer.preparation, ingested.rows)
    parts = [windows[part].thin(RESIDUAL_WINDOWS) for part in (Part.LEARN, Part.VALIDATE)]
    ends = np.concatenate([part.ends for part in parts])
    matrix, observed = parts[0].matrix, parts[0].observed
    expected = scorer.reconstruct(matrix, ends)
    residual = matrix[ends, : expected.shape[1]] - expected
    count = len(scorer.preparation.entities)
    return residual_sizes(residual, observed[ends], entity[ends], entities=count)


def parameters_of(
    config: Config, ingested: Ingested, trained: Trained
) -> dict[str, str | int | float | bool | None]:
    """Flatten the settings, and what was derived where they are silent."""
    flat: dict[str, str | int | float | bool | None] = {}
    for section in ("data", "prepare", "window", "model", "training", "calibration"):
        for key, value in asdict(getattr(config, section)).items():
            plain = (
                value if isinstance(value, str | int | float | bool | None) else json.dumps(value)
            )
            flat[f"{section}.{key}"] = plain
    sizes = trained.scorer.model.sizes
    flat["data.frequency"] = format_duration(ingested.schema.period)
    flat["data.max_gap"] = format_duration(ingested.schema.max_gap)
    flat["model.hidden"], flat["model.latent"] = json.dumps(sizes.hidden), sizes.latent
    return flat


def _metrics(ingested: Ingested, detector: Detector) -> dict[str, float]:
    scores, threshold = detector.calibration.scores, detector.calibration.threshold
    return {
        "rows": len(ingested.rows),
        "held_out_windows": len(scores),
        "held_out_score_median": float(np.median(scores)),
        "threshold": threshold.value,
        "promised_false_alarm_rate": threshold.rate,
    }


def _columns(schema: Schema) -> dict[str, registry.ColumnKind]:
    kinds: dict[str, registry.ColumnKind] = {"category": "text", "boolean": "boolean"}
    columns: dict[str, registry.ColumnKind] = {schema.timestamp: "timestamp"}
    if schema.entity is not None:
        columns[schema.entity] = "text"
    return columns | {
        feature.name: kinds.get(feature.kind, "number") for feature in schema.features
    }
