"""The MLflow pyfunc model of a registered detector.

Only the code file of a saved model imports this module. MLflow reads the annotations of `predict`
when the class is created, so pandas is imported here and annotations are not postponed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

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
            return score_frame(self._detector, restore_types(model_input, schema=schema))

    return ServedDetector()


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
