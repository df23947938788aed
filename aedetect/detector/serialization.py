"""The saved detector: detector.json, weights.safetensors, calibration.parquet. No pickle.

Later calibrations are stored below it; see `aedetect.calibration.serialization`.

Loading runs no code from the files: JSON is validated against its dataclasses, the weights are
plain arrays, and both must match the sizes in the JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
from annotated_types import Ge, Le, Lt

from aedetect.calibration.file_checks import as_finite, parse_json
from aedetect.calibration.history import History, read_calibration, read_history
from aedetect.calibration.serialization import (
    HELD_OUT,
    checked,
    describe,
    restored,
    write_held_out,
)
from aedetect.data import Feature, Schema
from aedetect.detector.consistency import check_limits, check_parts
from aedetect.detector.file_checks import check_files
from aedetect.detector.own_values import OwnValues
from aedetect.detector.residuals import Residuals
from aedetect.detector.rules import described_rules, restored_rules
from aedetect.detector.saved_networks import Networks, read_networks
from aedetect.detector.scorer import Scorer
from aedetect.drift import Profile
from aedetect.errors import BrokenDetector
from aedetect.models.settings import Sizes
from aedetect.preprocessing import Preparation
from aedetect.preprocessing.scaling import Scaling

if TYPE_CHECKING:
    from aedetect.calibration import Calibration

FORMAT = 9
RowCount = Annotated[int, Ge(1), Le(1_000_000)]  # a generous limit for smoothing
Nanoseconds = Annotated[int, Ge(0), Lt(2**60)]  # 36 years
DETECTOR, WEIGHTS, CALIBRATION = "detector.json", "weights.safetensors", HELD_OUT
# Errors that reading manipulated files may raise.
_BROKEN = (
    OSError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)
_LIBRARIES = ("aedetect", "torch", "numpy", "pyarrow", "duckdb")


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A saved detector without its network."""

    schema: Schema
    entities: tuple[str | None, ...]  # of the training rows; empty when all are scaled together
    length: int  # rows of a window
    config_hash: str
    calibration: Calibration


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
    with _readable(folder):
        found = _description(folder)
        scorer = _scorer(found, folder)
        calibration = _calibration(found, folder)
        check_limits(scorer, calibration)
        return scorer, calibration, str(found["config_hash"])


def read_saved_history(folder: Path) -> History:
    """Read which calibration of a saved detector is in force when. Raises BrokenDetector."""
    with _readable(folder):
        return read_history(folder)


def read_profile(folder: Path, scorer: Scorer) -> Profile | None:
    """Read what is typical of a training day; None if there is none. Raises BrokenDetector."""
    with _readable(folder):
        preparation = scorer.preparation
        return Profile.read(
            folder, features=len(preparation.features), entities=len(preparation.entities)
        )


def read_outline(folder: Path, *, calibration: int | None = None) -> Outline:
    """Read the parts that a new threshold needs, without the network. Raises BrokenDetector.

    The calibration is the newest one unless its version is given.
    """
    with _readable(folder):
        found = _description(folder)
        return Outline(
            schema=checked(Schema, found["schema"]),
            entities=tuple(found["preparation"]["entities"]),
            length=checked(Sizes, found["model"]["sizes"]).length,
            config_hash=str(found["config_hash"]),
            calibration=_calibration(found, folder, calibration),
        )


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Convert errors caused by a damaged file to BrokenDetector."""
    try:
        check_files(folder)
        yield
    except (*_BROKEN, pa.ArrowException) as error:
        raise BrokenDetector(
            f"the detector in {folder} cannot be read ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}): train and register it again"
        ) from error


def _description(folder: Path) -> dict[str, Any]:
    described: Any = parse_json((folder / DETECTOR).read_text(encoding="utf-8"))
    found = described.get("format") if isinstance(described, dict) else None
    if found != FORMAT:
        raise BrokenDetector(
            f"{folder / DETECTOR} must be of format {FORMAT}, got {found}: "
            "train the model again with this version of aedetect"
        )
    return dict(described)


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
    preparation = _preparation(described["preparation"], schema)
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


def _calibration(
    described: dict[str, Any], folder: Path, version: int | None = None
) -> Calibration:
    """Return a calibration, by default the newest: a later one, or that of training."""
    own = described["calibration"]
    return read_calibration(folder, lambda: restored(own, folder / CALIBRATION), version=version)


def _preparation(described: dict[str, Any], schema: Schema) -> Preparation:
    learnt = described["scaling"]
    quantiles = learnt["quantiles"]
    return Preparation(
        features=checked(tuple[Feature, ...], schema.features),
        context=schema.context,
        entities=tuple(described["entities"]),
        scaling=Scaling(
            as_finite(learnt["center"], np.float64, "center"),
            as_finite(learnt["scale"], np.float64, "scale"),
            None if quantiles is None else as_finite(quantiles, np.float64, "quantiles"),
        ),
        clip=checked(float, described["clip"]),
        missing=described["missing"],
        missing_limit=checked(Nanoseconds, described["missing_limit"]),
        rates=schema.rates,
        clock=schema.clock,
        missing_after=described["missing_after"],
        min_observed=checked(RowCount, described["min_observed"]),
    )
