"""Save the detector folder as an MLflow pyfunc model from code, so that no file is a pickle."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.output.scratch import temporary_folder
from aedetect.registry.code_wheel import pinned_requirements, write_wheel
from aedetect.registry.records import ColumnKind

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

_CODE = '''"""Serves a detector as an MLflow pyfunc. Written by aedetect.registry."""

import sys
from pathlib import Path

if "aedetect" not in sys.modules:  # the code that trained the model reads it: the wheel beside it
    sys.path.insert(0, str(next(Path(__file__).parent.glob("code/*.whl"))))

from mlflow.models import set_model

from aedetect.registry.pyfunc_model import served_detector

set_model(served_detector())
'''
_DESCRIPTION = "MLmodel"
DETECTOR = "detector"  # the folder below artifacts/ of a saved model
_CAUSE = {
    name: {"type": "double" if name in {"share", "observed", "expected"} else "string"}
    for name in ("feature", "share", "observed", "expected", "unusual")
}
_OUTPUTS: dict[str, dict[str, Any]] = {
    "timestamp": {"type": "datetime"},
    "entity": {"type": "string"},
    "score": {"type": "float"},
    "p_value": {"type": "double"},
    "verdict": {"type": "string"},
    "reason": {"type": "string"},
    "threshold": {"type": "double"},
    "severity": {"type": "string"},
    "calibration_version": {"type": "integer"},
    "causes": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {name: each | {"required": False} for name, each in _CAUSE.items()},
        },
    },
}
_ALWAYS = {"timestamp", "verdict", "calibration_version"}
_STRAYS = ("uv.lock", "pyproject.toml", ".python-version")


@contextmanager
def pyfunc(
    folder: Path,
    *,
    columns: Mapping[str, ColumnKind],
    model: LoggedModel,
    example: pd.DataFrame | None = None,
) -> Iterator[Path]:
    """Yield a temporary folder that contains the detector as a pyfunc model."""
    with temporary_folder() as scratch:
        saved = scratch / "model"
        _save(saved, detector=folder, columns=columns, model=model, example=example)
        write_wheel(saved / "code")
        yield saved


def _save(
    target: Path,
    *,
    detector: Path,
    columns: Mapping[str, ColumnKind],
    model: LoggedModel,
    example: pd.DataFrame | None,
) -> None:
    """Save the detector folder in the format of MLflow, with what all detectors have alike."""
    from mlflow.models import Model
    from mlflow.models.utils import _save_example

    common, number = _common(), model.model_id
    for name, content in common.files.items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    shutil.copytree(detector, target / "artifacts" / DETECTOR)
    described = Model(
        flavors=common.flavors,
        signature=signature(columns),
        model_uuid=number,
        model_id=number,
        run_id=model.source_run_id,
    )
    with _without_advice():
        _save_example(described, example, str(target))
    described.model_size_bytes = sum(
        each.stat().st_size for each in target.rglob("*") if each.is_file()
    )
    described.save(str(target / _DESCRIPTION))


@dataclass(frozen=True)
class _Common:
    """What all saved detectors of a process have alike: files by path, and how they are loaded."""

    files: Mapping[str, bytes]
    flavors: dict[str, Any]


@cache
def _common() -> _Common:
    """Let MLflow save a model, once: it loads the code and checks what is installed each time."""
    with temporary_folder() as scratch:
        detector, saved = scratch / DETECTOR, scratch / "model"
        detector.mkdir()
        (detector / "detector.json").touch()
        code = scratch / "served.py"
        code.write_text(_CODE, encoding="utf-8")
        with _without_advice():
            from mlflow.models import Model
            from mlflow.pyfunc import save_model

            save_model(
                saved,
                python_model=str(code),
                artifacts={"detector": str(detector)},
                signature=signature({"any": "number"}),
                pip_requirements=pinned_requirements(),
            )
        apart = {_DESCRIPTION, *_STRAYS}  # MLflow copies a uv project from the working folder
        found = [each for each in saved.rglob("*") if each.is_file() and each.name not in apart]
        files = {each.relative_to(saved).as_posix(): each for each in found}
        return _Common(
            {
                name: each.read_bytes()
                for name, each in files.items()
                if not name.startswith("artifacts/")
            },
            Model.load(str(saved)).flavors,
        )


def signature(columns: Mapping[str, ColumnKind]) -> ModelSignature:
    """Declare inputs and outputs by hand: inference fails on nullable integers (mlflow#25593)."""
    from mlflow.models import ModelSignature

    # Names are required, types are open: MLflow rejects an int64 for a double, a time zone, a
    # category and a missing boolean. The detector itself rejects what it cannot use.
    inputs = [{"name": name, "type": "any", "required": True} for name in columns]
    outputs = [
        {"name": name, "required": name in _ALWAYS, **kind} for name, kind in _OUTPUTS.items()
    ]
    declared: ModelSignature = ModelSignature.from_dict(
        {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)}
    )
    return declared


@contextmanager
def _without_advice() -> Iterator[None]:
    """Hide the advice to infer a signature, and what MLflow 3.17 does that pandas 3 warns of."""
    with warnings.catch_warnings():
        advice = ".*(input example|[Tt]ype hint)"
        warnings.filterwarnings("ignore", message=advice, category=UserWarning)
        warnings.filterwarnings("ignore", message="Operation with range is deprecated")
        yield
