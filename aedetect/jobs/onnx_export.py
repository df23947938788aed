"""Scaling, network and score of a registered version as one ONNX file, checked before it is there.

The metadata of the file say what it is: versions, columns, entities and thresholds.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect import registry
from aedetect.data import Rows
from aedetect.detector import CalibratedScorer
from aedetect.errors import AedetectError, ConfigError, OutputError
from aedetect.logs import muted
from aedetect.scoring import score_rows

if TYPE_CHECKING:
    import torch

    from aedetect.arrays import Float32
    from aedetect.config import Config
    from aedetect.detector.score_graph import ScoreGraph

INPUTS, OUTPUTS = ("rows", "time", "entity"), ("score", "threshold")
TOLERANCE = 1e-5  # of a score, or of its size where that is above 1
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_OUTSIDE = (
    "rules of columns ([rules]), missing values ([prepare] missing), suppression and events: a row "
    "with a missing value gets no score, and rows must be one sampling period apart"
)
_CHECKED = 800  # rows that the file is compared on, beyond what the score looks back at
_MOST_CHECKED = 4_000
_PREFIX = "aedetect."


@dataclass(frozen=True, kw_only=True)
class ExportedGraph:
    """What was written."""

    path: Path
    model: str  # "pump/3"
    calibration_version: int
    threshold: float  # of all entities together; those of each are in the metadata
    rows: int  # that the file was compared on
    difference: float  # largest between its scores and those of aedetect
    not_included: str


def export_onnx(config: Config, to: Path) -> ExportedGraph:
    """Write the version that scores as an ONNX file, which replaces one of that name.

    Raises ConfigError when the packages of the extra `onnx` are missing or the graph cannot hold
    what the version does, and OutputError when the file cannot be written.
    """
    _check_packages()
    uri = config.tracking_uri
    registered = registry.find_version(config.model_reference, tracking_uri=uri)
    detector = CalibratedScorer.load(registry.fetch_version(registered, tracking_uri=uri))
    facts = _facts(detector, registered)
    content = build_onnx(detector, registered.reference, facts)
    compared, difference = compare_onnx(detector, content)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(f".{to.name}.part")
        part.write_bytes(content)
        part.replace(to)
    except OSError as error:
        raise OutputError(
            f"{to} cannot be written ({error.strerror}): name another file after --onnx"
        ) from error
    return ExportedGraph(
        path=to,
        model=registered.reference,
        calibration_version=detector.calibration.version,
        threshold=detector.calibration.threshold.value,
        rows=compared,
        difference=difference,
        not_included=_OUTSIDE,
    )


def build_onnx(detector: CalibratedScorer, reference: str, facts: dict[str, str]) -> bytes:
    """Return the graph of a detector as the bytes of an ONNX file. Raises ConfigError."""
    from aedetect.detector.graph_limits import lacking_steps
    from aedetect.detector.score_graph import ScoreGraph

    if lacking := lacking_steps(detector.scorer):
        listed = "; ".join(f"{what}: {remedy} and train again" for what, remedy in lacking)
        raise ConfigError(f"an ONNX graph of {reference} cannot hold {listed}")
    graph = ScoreGraph(detector.scorer, detector.calibration).eval()
    program = _traced(graph, features=len(detector.scorer.schema.features))
    program.model.metadata_props.update(facts)
    program.model.doc_string = (
        f"Scores of {reference}. Inputs: rows (R, F), time (R,) in ns since 1970, entity ()."
    )
    return bytes(program.model_proto.SerializeToString())


def _traced(graph: ScoreGraph, *, features: int) -> torch.onnx.ONNXProgram:
    """Trace a graph with any number of rows."""
    import torch

    rows = graph.length + 2
    example = (
        torch.zeros(rows, features, dtype=torch.float64),
        torch.arange(rows, dtype=torch.int64),
        torch.tensor(0),
    )
    any_number = {0: torch.export.Dim.DYNAMIC}
    with _quiet():
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            verbose=False,
            dynamic_shapes={"rows": any_number, "time": any_number, "entity": None},
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
        )
    assert program is not None
    return program


def compare_onnx(detector: CalibratedScorer, content: bytes) -> tuple[int, float]:
    """Return on how many rows a file agrees with its detector, and the largest difference.

    The rows are drawn around typical ones. Raises AedetectError when a score differs by more than
    `TOLERANCE`.
    """
    import onnxruntime

    rows = _typical_rows(detector)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given: dict[str, Any] = {"rows": rows.values, "time": rows.time, "entity": np.array(0)}
    found: Float32 = session.run(None, given)[0]
    expected = score_rows(detector, rows, np.ones(len(rows), dtype=np.bool_)).score
    same = np.isnan(found) == np.isnan(expected)
    off = np.abs(found - expected) / np.maximum(np.abs(expected), 1)
    difference = float(np.nanmax(off, initial=0.0))
    if not same.all() or difference > TOLERANCE:
        raise AedetectError(
            f"the scores of the ONNX graph must equal those of aedetect within {TOLERANCE:g}, but "
            f"differ by {difference:g} on {len(rows)} rows: not written; please report it with "
            "the versions of torch, onnxscript and onnxruntime"
        )
    return len(rows), difference


def _typical_rows(detector: CalibratedScorer) -> Rows:
    """Return rows around the typical ones of the first entity, always the same."""
    scorer, random = detector.scorer, np.random.default_rng(0)
    schema, preparation = scorer.schema, scorer.preparation
    names = preparation.entities[:1] or (None,)
    period = int(schema.spread(names, "period")[0])
    count = min(scorer.lookback // period + _CHECKED, _MOST_CHECKED)
    first = preparation.first_columns
    center, scale = (
        each[0, first] for each in (preparation.scaling.center, preparation.scaling.scale)
    )
    noise = random.normal(size=(count, len(first))).cumsum(axis=0)
    values = center + scale * (noise / np.sqrt(1 + np.arange(count))[:, None])
    for place, feature in enumerate(schema.features):
        if feature.kind != "number":
            values[:, place] = random.integers(0, max(len(feature.categories), 2), count)
    time = np.arange(count, dtype=np.int64) * period
    return Rows(time=time, entity=np.zeros(count, dtype=np.int32), names=names, values=values)


def _facts(detector: CalibratedScorer, registered: registry.Registered) -> dict[str, str]:
    """Return the metadata of a file."""
    scorer, calibration = detector.scorer, detector.calibration
    names = scorer.preparation.entities
    codes = np.arange(len(names), dtype=np.int32)
    own = calibration.thresholds(codes).tolist()
    kept = ("trained_from", "trained_until", "config_hash", "data_fingerprint", "code_version")
    values: dict[str, Any] = {
        "model": registered.reference,
        "calibration_version": calibration.version,
        "threshold": calibration.threshold.value,
        "thresholds": dict(zip(map(str, names), own, strict=True)),
        "promise": calibration.promise.share,
        "promise_upper": calibration.promise.upper,
        "promise_reason": calibration.promise.reason,
        "score": scorer.score,
        "features": [asdict(each) | {"missing": each.missing} for each in scorer.schema.features],
        "entities": list(names),
        "period_ns": scorer.schema.period,
        "window_rows": scorer.length,
        "lookback_rows": -(-scorer.lookback // scorer.schema.period),
        "not_included": _OUTSIDE,
        **{name: registered.tags[name] for name in kept if name in registered.tags},
    }
    return {
        f"{_PREFIX}{name}": each if isinstance(each, str) else json.dumps(each)
        for name, each in values.items()
    }


def _check_packages() -> None:
    """Raise ConfigError when a package of the extra is missing."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"aedetect export needs {' and '.join(missing)}, not installed here: "
            "pip install 'aedetect[onnx]'"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the exporter says about torchvision, and what torch 2.13 itself deprecates."""
    with muted({"torch.onnx": logging.ERROR}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
