"""The variants by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aedetect.models.dense import Undercomplete
from aedetect.models.linear import Linear

if TYPE_CHECKING:
    from aedetect.models.base import Autoencoder
    from aedetect.models.settings import VariantName

VARIANTS: dict[VariantName, type[Autoencoder]] = {
    "undercomplete": Undercomplete,
    "linear": Linear,
}
