"""The networks: windows in, windows out, and nothing else.

No optimiser, threshold, device or file in here, and no network knows a loss. `VARIANTS` maps the
names that `[model] variant` takes to what makes each of them; a new variant is one training step
and one entry. Networks, regularisers and corruptions do not know each other: a step joins them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aedetect.models.variants import VARIANTS

__all__ = ["VARIANTS"]


def __getattr__(name: str) -> object:
    """Import PyTorch when a variant is asked for, and not for reading a configuration."""
    if name == "VARIANTS":
        from aedetect.models.variants import VARIANTS

        return VARIANTS
    raise AttributeError(name)
