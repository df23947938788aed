"""The saved detector: detector.json, weights.safetensors, calibration.parquet. No pickle.

Later calibrations are stored below it; see `aedetect.calibration.serialization`.

Loading runs no code from the files: JSON is validated against its dataclasses, the weights are
plain arrays, and both must match the sizes in the JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.calibration.file_checks import as_finite
from aedetect.calibration.serialization import checked, describe, write_held_out
from aedetect.data import Schema
from aedetect.detector.consistency import check_limits, check_parts
from aedetect.detector.description import (
    CALIBRATION,
    DETECTOR,
    FORMAT,
    RowCount,
    read_description,
    readable,
    restored_calibration,
    restored_preparation,
)
from aedetect.detector.own_values import OwnValues
from aedetect.detector.residuals import Residuals
from aedetect.detector.rules import described_rules, restored_rules
from aedetect.detector.saved_networks import Networks, read_networks
from aedetect.detector.scorer import Scorer
from aedetect.drift import Profile

if TYPE_CHECKING:
    from aedetect.calibration import Calibration

WEIGHTS = "weights.safetensors"
_LIBRARIES = ("aedetect", "torch", "numpy", "pyarrow", "duckdb")


def write_detector(
    folder: Path, *, scorer: Scorer, calibration: Calibration, config_hash: str
) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    _networks(scorer).write(folder / WEIGHTS)
    write_held_out(calibration.held_out, folder / CALIBRATION)
    description = _described(scorer, calibration, config_hash)
    text = json.dumps(description, indent=1, allow_nan=False)
    (folder / DETECTOR).write_text(text + "\n", encoding="utf-8")


def read_detector(folder: Path) -> tuple[Scorer, Calibration, str]:
    """Read the scorer, its newest calibration and the hash of the configuration.

    Raises BrokenDetector if a file is missing or inconsistent with the others.
    """
    with readable(folder):
        found = read_description(folder)
        scorer = _scorer(found, folder)
        calibration = restored_calibration(found, folder)
        check_limits(scorer, calibration)
        return scorer, calibration, str(found["config_hash"])


def read_profile(folder: Path, scorer: Scorer) -> Profile | None:
    """Read what is typical of a training day; None if there is none. Raises BrokenDetector."""
    with readable(folder):
        preparation = scorer.preparation
        return Profile.read(
            folder, features=len(preparation.features), entities=len(preparation.entities)
        )


def _described(scorer: Scorer, calibration: Calibration, config_hash: str) -> dict[str, Any]:
    """Return everything except weights and scores as JSON-compatible values."""
    preparation = scorer.preparation
    scaling = preparation.scaling
    arrays = {"center": scaling.center, "scale": scaling.scale, "quantiles": scaling.quantiles}
    learnt = {name: None if array is None else array.tolist() for name, array in arrays.items()}
    kept = ("entities", "clip", "missing", "missing_limit", "missing_after", "min_observed")
    return {
        "format": FORMAT,
        "config_hash": config_hash,
        "schema": asdict(scorer.schema),
        "preparation": {name: getattr(preparation, name) for name in kept} | {"scaling": learnt},
        **_networks(scorer).described(),
        "score": scorer.score,
        "top_k": scorer.top_k,
        "alignment": scorer.alignment,
        "smooth": scorer.smooth,
        "residuals": {
            name: array.astype(float).tolist()
            for name, array in vars(scorer.residuals).items()
            if array.size
        },
        "rules": described_rules(scorer.rules),
        "own": scorer.own.described(),
        "calibration": describe(calibration),
        "libraries": {library: version(library) for library in _LIBRARIES},
    }


def _networks(scorer: Scorer) -> Networks:
    return Networks(scorer.model, scorer.long, scorer.corrections, scorer.shapes)


def _scorer(described: dict[str, Any], folder: Path) -> Scorer:
    schema = checked(Schema, described["schema"])
    preparation = restored_preparation(described["preparation"], schema)
    networks = read_networks(folder / WEIGHTS, described)
    scorer = Scorer(
        schema=schema,
        preparation=preparation,
        model=networks.model,
        long=networks.long,
        corrections=networks.corrections,
        shapes=networks.shapes,
        score=described["score"],
        residuals=Residuals(
            **{
                name: as_finite(each, np.float32, f"residuals {name}")
                for name, each in described["residuals"].items()
            }
        ),
        rules=restored_rules(described["rules"]),
        own=OwnValues.restored(described["own"]),
        top_k=checked(RowCount, described["top_k"]),
        alignment=described["alignment"],
        smooth=checked(RowCount, described["smooth"]),
    )
    check_parts(scorer)
    return scorer
