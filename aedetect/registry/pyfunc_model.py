"""What runs inside MLflow when a registered detector is loaded as a pyfunc.

No module imports this one: the code file of a saved model does. MLflow reads the annotations of
`predict` when the class is made, so pandas is imported here and annotations are not postponed.
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
    """Return a saved detector behind MLflow's interface: rows in, verdicts out, as frames."""
    from mlflow.pyfunc.model import PythonModel

    class ServedDetector(PythonModel):
        """Built in a function, because its base takes MLflow to import."""

        def load_context(self, context: "PythonModelContext") -> None:
            """Load the detector that was logged with the model."""
            self._detector = CalibratedScorer.load(Path(context.artifacts["detector"]))

        def predict(
            self, context: object, model_input: pd.DataFrame, params: object = None
        ) -> pd.DataFrame:
            """Score a frame: one row out for each row in, in the same order."""
            del context, params
            schema = self._detector.scorer.schema
            return score_frame(self._detector, typed(model_input, schema=schema))

    return ServedDetector()


def typed(frame: pd.DataFrame, *, schema: Schema) -> pd.DataFrame:
    """Give columns that arrive as Python objects, or as JSON text, the type they stand for.

    MLflow takes a column whose type is left open apart, value by value, and puts it together
    again: missing integers and booleans and empty columns lose their type on the way.
    """
    typed = frame.copy(deep=False)
    time = frame[schema.timestamp]
    if is_object_dtype(time) or isinstance(time.dtype, pd.StringDtype):
        typed[schema.timestamp] = pd.to_datetime(time, utc=schema.aware)
    for feature in schema.features:
        column = frame[feature.name]
        if is_object_dtype(column) and feature.kind == "number":
            typed[feature.name] = pd.to_numeric(column).astype(float)
        elif is_object_dtype(column) and feature.kind == "boolean":
            typed[feature.name] = column.astype("boolean")
    return typed
