"""The MLflow pyfunc model of a registered detector.

Only the code file of a saved model imports this module. MLflow reads the annotations of `predict`
when the class is created, so pandas is imported here and annotations are not postponed.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype

from aedetect.data import Schema
from aedetect.detector import CalibratedScorer
from aedetect.scoring import score_frame

if TYPE_CHECKING:
    from mlflow.pyfunc.model import PythonModel, PythonModelContext


def served_detector() -> "PythonModel":
    """Return a saved detector with MLflow's interface: a frame of rows -> a frame of verdicts."""
    from mlflow.pyfunc.model import PythonModel

    class ServedDetector(PythonModel):
        """Defined in a function, because its base class requires importing MLflow."""

        def load_context(self, context: "PythonModelContext") -> None:
            """Load the detector that was logged with the model."""
            self._detector = CalibratedScorer.load(Path(context.artifacts["detector"]))

        def predict(
            self, context: object, model_input: pd.DataFrame, params: object = None
        ) -> pd.DataFrame:
            """Score a frame; the output has one row per input row, in the same order."""
            del context, params
            schema = self._detector.scorer.schema
            frame = restore_types(model_input, schema=schema)
            return VerdictTable(score_frame(self._detector, frame, causes=True, details=True))

    return ServedDetector()


class VerdictTable(pd.DataFrame):
    """A table of verdicts whose `to_dict` has None for what is missing, as JSON has no NaN.

    MLflow's server answers with what `to_dict` returns (MLflow 3.17); strict parsers of JSON refuse
    NaN. For all else it is an ordinary DataFrame, and so is what is computed from it.
    """

    def to_dict(self, *args: Any, **options: Any) -> Any:
        """Return the rows as `DataFrame.to_dict` does, without NaN, infinity, NA and NaT."""
        plain = {name: [_plain(each) for each in self[name]] for name in self}
        return pd.DataFrame(plain, index=self.index, dtype=object).to_dict(*args, **options)


def _plain(value: Any) -> Any:
    """Return a cell with None in the place of each number that JSON cannot hold."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    return None if isinstance(value, float | np.floating) and not math.isfinite(value) else value


def restore_types(frame: pd.DataFrame, *, schema: Schema) -> pd.DataFrame:
    """Convert columns of Python objects or JSON text to the types of the schema.

    MLflow converts a column of open type value by value; columns with missing integers or booleans,
    and empty columns, lose their type.
    """
    restored = frame.copy(deep=False)
    time = frame[schema.timestamp]
    if is_object_dtype(time) or isinstance(time.dtype, pd.StringDtype):
        restored[schema.timestamp] = pd.to_datetime(time, utc=schema.aware)
    for feature in schema.features:
        column = frame[feature.name]
        if is_object_dtype(column) and feature.kind == "number":
            restored[feature.name] = pd.to_numeric(column).astype(float)
        elif is_object_dtype(column) and feature.kind == "boolean":
            restored[feature.name] = column.astype("boolean")
    return restored
