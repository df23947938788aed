"""What the registry stores about a training run: parameters, metrics, columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration.trust import changed_at
from aedetect.jobs.table_clock import table_clock
from aedetect.preprocessing import Part, split_by_time
from aedetect.registry.authors import code_version
from aedetect.registry.records import CHANGED_AT, ColumnKind
from aedetect.timestamps import format_duration

if TYPE_CHECKING:
    from aedetect.calibration import Calibration
    from aedetect.config import Config
    from aedetect.data import Schema
    from aedetect.detector import CalibratedScorer, Scorer
    from aedetect.jobs.fit_scorer import Trained
    from aedetect.training import Ingested
    from aedetect.training.fit import Epoch
    from aedetect.wall_clock import WallClock


def run_parameters(
    config: Config, ingested: Ingested, scorer: Scorer
) -> dict[str, str | int | float | bool | None]:
    """Return the flat settings, with derived values where they are unset."""
    flat: dict[str, str | int | float | bool | None] = {}
    for section in ("data", "prepare", "window", "model", "training", "calibration"):
        for key, value in asdict(getattr(config, section)).items():
            plain = (
                value if isinstance(value, str | int | float | bool | None) else json.dumps(value)
            )
            flat[f"{section}.{key}"] = plain
    sizes = scorer.model.sizes
    flat["data.frequency"] = format_duration(ingested.schema.period)
    flat["data.max_gap"] = format_duration(ingested.schema.max_gap)
    flat["window.long"] = scorer.long.sizes.length if scorer.long else 0
    flat["model.hidden"], flat["model.latent"] = json.dumps(sizes.hidden), sizes.latent
    return flat


def epoch_metrics(epoch: Epoch) -> dict[str, float]:
    """Return the losses of an epoch, by the names under which MLflow draws them."""
    return {
        "train_loss": epoch.loss,
        "validation_loss": epoch.validation_loss,
        "validation_mse": epoch.validation,
    }


def run_metrics(
    ingested: Ingested, trained: Trained, detector: CalibratedScorer
) -> dict[str, float]:
    """Return the metrics of the finished detector, and what spoke for each candidate."""
    scores, threshold = detector.calibration.scores, detector.calibration.threshold
    upper = detector.calibration.promise.upper
    return {
        "rows": len(ingested.rows),
        "held_out_loss": trained.held_out_loss,
        **{
            f"injected_{each.variant}_shapes_{each.shapes:g}": each.injected
            for each in trained.evidence
        },
        **{
            f"labelled_{each.variant}_shapes_{each.shapes:g}": each.labelled
            for each in trained.evidence
            if each.labelled is not None
        },
        "held_out_windows": len(scores),
        "held_out_score_median": float(np.median(scores)),
        "threshold": threshold.value,
        "promised_false_alarm_rate": threshold.rate,
        # The share that the evidence leaves open: all rows where nothing is promised.
        "promised_false_alarm_rate_upper": 1.0 if upper is None else upper,
        "predicted_events_per_day": detector.calibration.forecast.per_day,
    }


def training_tags(
    config: Config, ingested: Ingested, trained: Trained, detector: CalibratedScorer
) -> dict[str, str]:
    """Return what a version was trained and calibrated on, and with which code."""
    rows, clock = ingested.rows, table_clock(config, ingested.schema)
    parts = split_by_time(rows, holdout=config.calibration.holdout, gap=config.window.length)
    learnt = rows.time[(parts == Part.LEARN) | (parts == Part.VALIDATE)]
    held_out = detector.calibration.held_out.time
    return {
        "trained_from": clock.iso(int(learnt.min())),
        "trained_until": clock.iso(int(learnt.max())),
        "held_out_from": clock.iso(int(held_out.min())),
        "held_out_until": clock.iso(int(held_out.max())),
        "rows": str(len(rows)),
        "held_out_loss": f"{trained.held_out_loss:.6g}",
        "code_version": code_version(),
        **({} if config.detector.only is None else {"value": str(config.detector.only)}),
        **_changed(detector.calibration, clock),
        **promise_tags(detector.calibration),
    }


def _changed(calibration: Calibration, clock: WallClock) -> dict[str, str]:
    """Say since when levels are new, if they changed after the learnt part or while held out.

    Then the network has not learnt what the threshold was chosen on.
    """
    found = changed_at(calibration.held_out.normal, learnt=calibration.promise.learnt)
    return {} if found is None else {CHANGED_AT: clock.iso(found)}


def promise_tags(calibration: Calibration) -> dict[str, str]:
    """Return the threshold of a calibration and what it promises; of a later one, too."""
    promise = calibration.promise
    return {
        "threshold": f"{calibration.threshold.value:.6g}",
        "promise": f"{promise.share:.6g}",
        "promise_upper": "none" if promise.upper is None else f"{promise.upper:.6g}",
        "promise_reason": promise.reason,
        "events_a_day": f"{calibration.forecast.per_day:.6g}",
    }


def data_profile(ingested: Ingested, tags: Mapping[str, str]) -> dict[str, object]:
    """Return what MLflow shows of the data set: its size, its time range and its sampling."""
    schema = ingested.schema
    periods = ("trained_from", "trained_until", "held_out_from", "held_out_until")
    return {
        "rows": len(ingested.rows),
        "entities": len(ingested.rows.names),
        "features": len(schema.features),
        "files": len(ingested.source.files),
        "period": format_duration(schema.period),
        "max_gap": format_duration(schema.max_gap),
        **{name: tags[name] for name in periods},
    }


def signature_columns(schema: Schema) -> dict[str, ColumnKind]:
    """Return the columns that the detector reads, and their kinds."""
    kinds: dict[str, ColumnKind] = {"category": "text", "boolean": "boolean"}
    columns: dict[str, ColumnKind] = {schema.timestamp: "timestamp"}
    if schema.entity is not None:
        columns[schema.entity] = "text"
    return columns | {
        feature.name: kinds.get(feature.kind, "number") for feature in schema.features
    }
