"""Autoencoder networks: windows -> reconstructed windows.

The package holds no optimiser, threshold, device or file, and a network does not know its loss.
`VARIANTS` maps each value of `[model] variant` to its definition. To add a variant, write one
training step and one entry. Networks, regularisers and corruptions are independent of each other;
a training step combines them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aedetect.models.variants import VARIANTS

__all__ = ["VARIANTS"]


def __getattr__(name: str) -> object:
    """Import PyTorch on first access to `VARIANTS`; reading a configuration does not need it."""
    if name == "VARIANTS":
        from aedetect.models.variants import VARIANTS

        return VARIANTS
    raise AttributeError(name)
