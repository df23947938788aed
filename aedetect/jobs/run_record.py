"""What the registry stores about a training run: parameters, metrics, columns."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from aedetect.jobs.table_clock import table_clock
from aedetect.preprocessing import Part, split_by_time
from aedetect.registry.authors import code_version
from aedetect.registry.records import ColumnKind
from aedetect.timestamps import format_duration

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import Schema
    from aedetect.detector import CalibratedScorer, Scorer
    from aedetect.training import Ingested


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


def run_metrics(ingested: Ingested, detector: CalibratedScorer) -> dict[str, float]:
    """Return the metrics of the calibration."""
    scores, threshold = detector.calibration.scores, detector.calibration.threshold
    return {
        "rows": len(ingested.rows),
        "held_out_windows": len(scores),
        "held_out_score_median": float(np.median(scores)),
        "threshold": threshold.value,
        "promised_false_alarm_rate": threshold.rate,
        "predicted_events_per_day": detector.calibration.forecast.per_day,
    }


def training_tags(config: Config, ingested: Ingested, detector: CalibratedScorer) -> dict[str, str]:
    """Return what a version was trained and calibrated on, and with which code."""
    rows, clock = ingested.rows, table_clock(config, ingested.schema)
    parts = split_by_time(rows, holdout=config.calibration.holdout, gap=config.window.length)
    trained = rows.time[(parts == Part.LEARN) | (parts == Part.VALIDATE)]
    held_out = detector.calibration.held_out.time
    return {
        "trained_from": clock.iso(int(trained.min())),
        "trained_until": clock.iso(int(trained.max())),
        "held_out_from": clock.iso(int(held_out.min())),
        "held_out_until": clock.iso(int(held_out.max())),
        "rows": str(len(rows)),
        "threshold": f"{detector.calibration.threshold.value:.6g}",
        "promise": f"{detector.calibration.threshold.rate:.6g}",
        "events_a_day": f"{detector.calibration.forecast.per_day:.6g}",
        "code_version": code_version(),
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
