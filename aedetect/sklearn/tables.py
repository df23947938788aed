"""What scikit-learn calls X as the data frame that a detector takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import validate_data

from aedetect.errors import ConfigError, SchemaMismatch

if TYPE_CHECKING:
    import pandas as pd

_TIME = "row time"  # column of timestamps where there are none
_LEAST_ROWS = 2  # of any training; how many are enough depends on the settings


def timestamp_of(estimator: Any) -> str:
    """Return the name of the column of timestamps."""
    return _TIME if estimator.timestamp is None else estimator.timestamp


def as_frame(estimator: Any, given: Any, *, reset: bool) -> pd.DataFrame:
    """Return X as a frame with timestamps. With `reset`, its columns are those to be known.

    Raises ValueError, as scikit-learn does, for what is no table of numbers or has other columns,
    and ConfigError where timestamps or entities are asked for and X is no frame.
    """
    import pandas as pd

    named = [each for each in (estimator.timestamp, estimator.entity) if each is not None]
    if isinstance(given, pd.DataFrame):
        frame = _checked(estimator, given, reset=reset)
    elif named:
        raise ConfigError(
            f'X must be a pandas.DataFrame with the column "{named[0]}", got '
            f"{type(given).__name__}: an array has no names"
        )
    else:
        values = validate_data(
            estimator,
            given,
            reset=reset,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=_LEAST_ROWS if reset else 1,
        )
        frame = pd.DataFrame(values, columns=[f"x{at}" for at in range(values.shape[1])])
    if estimator.timestamp is None:
        _check_free(frame)
        frame = frame.assign(**{_TIME: _regular(len(frame))})
    return frame


def _checked(estimator: Any, given: pd.DataFrame, *, reset: bool) -> pd.DataFrame:
    """Return a frame whose columns are those of the training, with names as text."""
    validate_data(estimator, given, reset=reset, skip_check_array=True)
    least = _LEAST_ROWS if reset else 1
    if len(given) < least or not given.shape[1]:
        raise ValueError(
            f"Found array with {len(given)} sample(s) and {given.shape[1]} feature(s) (shape="
            f"{given.shape}) while a minimum of {least} samples and 1 feature is required."
        )
    return given.set_axis(given.columns.map(str), axis=1)


def _check_free(frame: pd.DataFrame) -> None:
    if _TIME in frame.columns:
        raise SchemaMismatch(f'X must not have a column "{_TIME}": name it with timestamp')


def _regular(rows: int) -> pd.DatetimeIndex:
    """Return timestamps for rows that follow each other in equal steps."""
    import pandas as pd

    return pd.date_range("2000-01-01", periods=rows, freq="min")
