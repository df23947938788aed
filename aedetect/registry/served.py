"""What runs inside MLflow when a registered detector is loaded as a pyfunc.

No module imports this one: the code file of a saved model does. MLflow reads the annotations of
`predict` when the class is made, so pandas is imported here and annotations are not postponed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pandas.api.types import is_object_dtype

from aedetect.detector import Detector
from aedetect.frames import score_frame

if TYPE_CHECKING:
    from mlflow.pyfunc.model import PythonModel, PythonModelContext


def served_detector() -> "PythonModel":
    """Return a saved detector behind MLflow's interface: rows in, verdicts out, as frames."""
    from mlflow.pyfunc.model import PythonModel

    class ServedDetector(PythonModel):
        """Built in a function, because its base takes MLflow to import."""

        def load_context(self, context: "PythonModelContext") -> None:
            """Load the detector that was logged with the model."""
            self._detector = Detector.load(Path(context.artifacts["detector"]))
            self._kinds = context.model_config["columns"]

        def predict(
            self, context: object, model_input: pd.DataFrame, params: object = None
        ) -> pd.DataFrame:
            """Score a frame: one row out for each row in, in the same order."""
            del context, params
            return score_frame(self._detector, typed(model_input, kinds=self._kinds))

    return ServedDetector()


def typed(frame: pd.DataFrame, *, kinds: dict[str, str]) -> pd.DataFrame:
    """Give columns that arrive as Python objects, or as JSON text, the type they stand for.

    MLflow takes a column whose type is left open apart, value by value, and puts it together
    again: missing integers and booleans and empty columns lose their type on the way.
    """
    typed = frame.copy(deep=False)
    for name, kind in kinds.items():
        column, lost = frame[name], is_object_dtype(frame[name])
        if kind == "timestamp" and (lost or isinstance(column.dtype, pd.StringDtype)):
            typed[name] = pd.to_datetime(column)
        elif kind == "number" and lost:
            typed[name] = pd.to_numeric(column).astype(float)
        elif kind == "boolean" and lost:
            typed[name] = column.astype("boolean")
    return typed
