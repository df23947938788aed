"""detector.json, read and checked: the parts of a saved detector that need no network.

Anyone may have written the file: JSON is validated against its dataclasses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
from annotated_types import Ge, Le, Lt

from aedetect.calibration.file_checks import as_finite, parse_json
from aedetect.calibration.history import read_calibration
from aedetect.calibration.serialization import HELD_OUT, checked, restored
from aedetect.data import Feature, Schema
from aedetect.detector.file_checks import check_files
from aedetect.errors import BrokenDetector
from aedetect.preprocessing import Preparation
from aedetect.preprocessing.scaling import Scaling

if TYPE_CHECKING:
    from aedetect.calibration import Calibration

FORMAT = 9
DETECTOR, CALIBRATION = "detector.json", HELD_OUT
RowCount = Annotated[int, Ge(1), Le(1_000_000)]  # a generous limit for smoothing
Nanoseconds = Annotated[int, Ge(0), Lt(2**60)]  # 36 years
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


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Convert errors caused by a damaged file to BrokenDetector."""
    try:
        check_files(folder)
        yield
    except (*_BROKEN, pa.ArrowException) as error:
        raise BrokenDetector(
            f"the detector in {folder} cannot be read ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}): train and register it again"
        ) from error


def read_description(folder: Path) -> dict[str, Any]:
    """Read detector.json. Raises BrokenDetector when it is of another format."""
    described: Any = parse_json((folder / DETECTOR).read_text(encoding="utf-8"))
    found = described.get("format") if isinstance(described, dict) else None
    if found != FORMAT:
        raise BrokenDetector(
            f"{folder / DETECTOR} must be of format {FORMAT}, got {found}: "
            "train the model again with this version of aedetect"
        )
    return dict(described)


def restored_calibration(
    described: dict[str, Any], folder: Path, version: int | None = None
) -> Calibration:
    """Return a calibration, by default the newest: a later one, or that of training."""
    own = described["calibration"]
    return read_calibration(folder, lambda: restored(own, folder / CALIBRATION), version=version)


def restored_preparation(described: dict[str, Any], schema: Schema) -> Preparation:
    """Return the preparation that is described."""
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
