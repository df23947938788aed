"""The saved detector: detector.json, weights.safetensors, calibration.parquet. No pickle.

Loading runs no code from the files: JSON is checked against the dataclasses it becomes, the
weights are plain arrays, and both must fit the sizes that the JSON gives.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from aedetect.calibrate import Calibration, Threshold
from aedetect.detector import Detector, ScoreName, Scorer
from aedetect.errors import BrokenDetector
from aedetect.models.settings import ModelSettings, Sizes
from aedetect.prepare import MissingName, Preparation
from aedetect.scaling import Scaling
from aedetect.schema import Feature, Schema
from aedetect.untrusted import check_files, check_weights

if TYPE_CHECKING:
    from aedetect.models.base import Autoencoder

T = TypeVar("T")
FORMAT = 1
POOLED = -1  # in calibration.parquet: the scores of all entities together
DETECTOR, WEIGHTS, CALIBRATION = "detector.json", "weights.safetensors", "calibration.parquet"
# What reading files that were tampered with may end in.
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


def save(detector: Detector, folder: Path) -> None:
    """Write the three files."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(detector.scorer.model.state_dict(), folder / WEIGHTS)
    pq.write_table(_held_out(detector.calibration), folder / CALIBRATION, compression="zstd")
    text = json.dumps(_described(detector), indent=1, allow_nan=False)
    (folder / DETECTOR).write_text(text + "\n", encoding="utf-8")


def load(folder: Path) -> Detector:
    """Read the three files; raise BrokenDetector when one is absent or does not fit the others."""
    try:
        check_files(folder)
        described = json.loads((folder / DETECTOR).read_text(encoding="utf-8"))
        found = described.get("format") if isinstance(described, dict) else None
        if found != FORMAT:
            raise BrokenDetector(
                f"{folder / DETECTOR} must be of format {FORMAT}, however it is of {found}: "
                "train the model again with this version of aedetect"
            )
        return _restored(described, folder)
    except (*_BROKEN, pa.ArrowException) as error:
        raise BrokenDetector(
            f"the detector in {folder} cannot be read ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}): train and register it again"
        ) from error


def _described(detector: Detector) -> dict[str, Any]:
    """Return everything but weights and scores as JSON takes it."""
    scorer, preparation = detector.scorer, detector.scorer.preparation
    scaling = preparation.scaling
    arrays = {"center": scaling.center, "scale": scaling.scale, "quantiles": scaling.quantiles}
    learnt = {name: None if array is None else array.tolist() for name, array in arrays.items()}
    kept = ("entities", "clip", "missing", "missing_limit")
    return {
        "format": FORMAT,
        "config_hash": detector.config_hash,
        "schema": asdict(scorer.schema),
        "preparation": {name: getattr(preparation, name) for name in kept} | {"scaling": learnt},
        "model": asdict(scorer.model.settings) | {"sizes": asdict(scorer.model.sizes)},
        "score": scorer.score,
        "residual": scorer.residual.astype(float).tolist(),
        "calibration": {
            "version": detector.calibration.version,
            "threshold": asdict(detector.calibration.threshold),
            "own": {
                str(code): asdict(own.threshold) for code, own in detector.calibration.own.items()
            },
        },
        "libraries": {library: version(library) for library in _LIBRARIES},
    }


def _restored(described: dict[str, Any], folder: Path) -> Detector:
    schema = _checked(Schema, described["schema"])
    preparation = _preparation(described["preparation"], schema)
    scorer = Scorer(
        schema=schema,
        preparation=preparation,
        model=_model(described["model"], folder / WEIGHTS),
        score=described["score"],
        residual=np.array(described["residual"], dtype=np.float32),
    )
    _check_fit(scorer)
    calibration = _calibration(described["calibration"], folder / CALIBRATION)
    return Detector(
        scorer=scorer, calibration=calibration, config_hash=str(described["config_hash"])
    )


def _check_fit(scorer: Scorer) -> None:
    """Raise ValueError when the parts do not fit each other."""
    preparation, sizes = scorer.preparation, scorer.model.sizes
    entities, columns = len(preparation.entities), len(preparation.owner)
    pairs = {
        "model inputs": (sizes.inputs, preparation.width),
        "model outputs": (sizes.outputs, columns),
        "center": (preparation.scaling.center.shape, (entities + 1, columns)),
        "scale": (preparation.scaling.scale.shape, (entities + 1, columns)),
        "residual": (scorer.residual.shape, (max(entities, 1), columns)),
        "score": (scorer.score in get_args(ScoreName), True),
        "score of the variant": (
            scorer.score != "elbo" or scorer.model.settings.variant == "variational",
            True,
        ),
        "missing": (preparation.missing in get_args(MissingName), True),
    }
    for what, (found, needed) in pairs.items():
        if found != needed:
            raise ValueError(f"{what} does not fit: {found} instead of {needed}")


def _held_out(calibration: Calibration) -> pa.Table:
    """Return all held-out scores, those of an entity with its own threshold under its code."""
    groups = {POOLED: calibration, **calibration.own}
    codes = [np.full(len(group.scores), code, dtype=np.int32) for code, group in groups.items()]
    scores = [group.scores for group in groups.values()]
    return pa.table({"entity": np.concatenate(codes), "score": np.concatenate(scores)})


def _calibration(described: dict[str, Any], path: Path) -> Calibration:
    table = pq.read_table(path)
    code, score = table["entity"].to_numpy(), table["score"].to_numpy()
    version = int(described["version"])
    own = {
        int(key): Calibration(score[code == int(key)], _checked(Threshold, threshold), version)
        for key, threshold in described["own"].items()
    }
    pooled = _checked(Threshold, described["threshold"])
    return Calibration(score[code == POOLED], pooled, version, own)


def _preparation(described: dict[str, Any], schema: Schema) -> Preparation:
    learnt = described["scaling"]
    quantiles = learnt["quantiles"]
    return Preparation(
        features=_checked(tuple[Feature, ...], schema.features),
        context=schema.context,
        entities=tuple(described["entities"]),
        scaling=Scaling(
            np.array(learnt["center"], dtype=np.float64),
            np.array(learnt["scale"], dtype=np.float64),
            None if quantiles is None else np.array(quantiles, dtype=np.float64),
        ),
        clip=float(described["clip"]),
        missing=described["missing"],
        missing_limit=int(described["missing_limit"]),
    )


def _model(described: dict[str, Any], weights: Path) -> Autoencoder:
    import torch
    from safetensors.torch import load_file

    from aedetect.models.variants import make_network

    sizes = _checked(Sizes, described["sizes"])
    options = {name: value for name, value in described.items() if name != "sizes"}
    settings = _checked(ModelSettings, options)
    with torch.device("meta"):
        check_weights(weights, make_network(settings, sizes))
    model = make_network(settings, sizes)
    model.load_state_dict(load_file(weights))
    return model.eval()


def _checked(kind: type[T], value: object) -> T:
    """Build a dataclass from plain data, checking every field."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(str(error.errors()[0]["msg"])) from error
