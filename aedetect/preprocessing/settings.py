"""Settings of preparation and windows: `[prepare]` and `[window]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

MissingName = Literal["forward_fill", "typical", "refuse"]
MissingAfterName = Literal["mask", "refuse"]


@dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """How values are scaled and filled: `[prepare]`."""

    scaler: ScalerName = "standard"
    per_entity: bool = True  # False: typical values are learned from all entities together
    clip: Annotated[float, Gt(0)] = 10.0  # in units of scale; larger values grow logarithmically
    missing: MissingName = "forward_fill"  # last value, center, or not scored
    missing_limit: str | None = None  # how long a value is filled forward; None: 10 x frequency
    # what becomes of the row then: scored without the column, or not scored
    missing_after: MissingAfterName = "mask"
    # share of the features that a row needs to be scored; None: half of what rows typically have
    min_observed: Annotated[float, Ge(0), Le(1)] | None = None


@dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """How rows are cut into windows: `[window]`."""

    length: Annotated[int, Ge(1)] = 16  # rows
    stride: Annotated[int, Ge(1)] = 1  # rows between training windows; scoring uses every row
    # rows of the windows of a linear autoencoder beside the network, for score = "ensemble";
    # None: twice `length`; 0: none
    long: Annotated[int, Ge(0)] | None = None

    @property
    def long_rows(self) -> int:
        """Rows of the long windows, 0 for none.

        >>> WindowSettings(length=8).long_rows
        16
        """
        return 2 * self.length if self.long is None else self.long


ScalerName = Literal["standard", "robust", "minmax", "quantile"]
