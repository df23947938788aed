"""The outline of a saved detector: all of it but what needs the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.calibration.file_checks import as_finite
from aedetect.calibration.history import History, read_history
from aedetect.calibration.serialization import checked
from aedetect.data import Schema
from aedetect.detector.description import (
    RowCount,
    read_description,
    readable,
    restored_calibration,
    restored_preparation,
)
from aedetect.detector.reach import LONGEST, Reach
from aedetect.detector.rules import restored_rules
from aedetect.models.settings import Sizes

if TYPE_CHECKING:
    from aedetect.arrays import Float32
    from aedetect.calibration import Calibration
    from aedetect.detector.rules import ColumnRules
    from aedetect.preprocessing import Preparation


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A saved detector without its network."""

    schema: Schema
    preparation: Preparation
    length: int  # rows of a window
    longest: int  # rows of its longest window
    lookback: int  # ns before a row in which rows may affect its verdict
    lookahead: int  # ns after it in which they may affect its score
    config_hash: str
    calibration: Calibration
    rules: ColumnRules
    residual_size: Float32  # (E + 1, D), see `Residuals`

    @property
    def entities(self) -> tuple[str | None, ...]:
        """Those of the training rows; empty when all are scaled together."""
        return self.preparation.entities


def read_outline(folder: Path, *, calibration: int | None = None) -> Outline:
    """Read a saved detector without PyTorch. Raises BrokenDetector.

    The calibration is the newest one unless its version is given.
    """
    with readable(folder):
        found = read_description(folder)
        schema = checked(Schema, found["schema"])
        preparation = restored_preparation(found["preparation"], schema)
        reach = _reach(found, schema, preparation)
        lookback, lookahead = reach.lookback, reach.lookahead
        if not 0 <= lookback + lookahead < LONGEST:
            raise ValueError(f"a lookback of {lookback} ns is not possible")
        size = as_finite(found["residuals"]["size"], np.float32, "residuals size")
        rows = len(preparation.entities) + 1
        shapes = size.shape, reach.rules.constant.shape
        if shapes != ((rows, len(preparation.owner)), (rows, len(preparation.features))):
            raise ValueError(f"residual sizes and rules do not fit: {shapes}")
        return Outline(
            schema=schema,
            preparation=preparation,
            length=reach.length,
            longest=max(reach.length, reach.longer or 0),
            lookback=lookback,
            lookahead=lookahead,
            config_hash=str(found["config_hash"]),
            calibration=restored_calibration(found, folder, calibration),
            rules=reach.rules,
            residual_size=size,
        )


def read_saved_history(folder: Path) -> History:
    """Read which calibration of a saved detector is in force when. Raises BrokenDetector."""
    with readable(folder):
        return read_history(folder)


def _reach(found: dict[str, Any], schema: Schema, preparation: Preparation) -> Reach:
    """Return what the reach of the scorer follows from, as the scorer itself has it."""
    long = found["long"]
    return Reach(
        schema=schema,
        preparation=preparation,
        rules=restored_rules(found["rules"]),
        score=found["score"],
        alignment=found["alignment"],
        smooth=checked(RowCount, found["smooth"]),
        length=checked(Sizes, found["model"]["sizes"]).length,
        longer=None if long is None else checked(Sizes, long["sizes"]).length,
    )
