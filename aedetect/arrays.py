"""Type aliases of the arrays passed between stages; docstrings state their shapes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]
Int8 = npt.NDArray[np.int8]  # small codes: part, severity
Int32 = npt.NDArray[np.int32]  # codes: an index into a tuple of names, -1 for none
Int64 = npt.NDArray[np.int64]  # timestamps in ns since 1970, positions, counts
Float32 = npt.NDArray[np.float32]  # inputs and outputs of networks, scores
Float64 = npt.NDArray[np.float64]  # values in original units, p-values
Text = npt.NDArray[np.str_]
Objects = npt.NDArray[np.object_]  # ids, sentences
