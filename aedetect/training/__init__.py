"""Training on normal data: the training loop, its loss, and the selection of training rows."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.training.dataset import Ingested, PreparedRows
    from aedetect.training.fit import Fitted, train_network
    from aedetect.training.trimming import fit_trimmed

__all__ = [
    "Fitted",
    "Ingested",
    "PreparedRows",
    "fit_trimmed",
    "train_network",
]

__getattr__ = on_first_use(
    __name__,
    {
        "dataset": (
            "Ingested",
            "PreparedRows",
        ),
        "fit": (
            "Fitted",
            "train_network",
        ),
        "trimming": ("fit_trimmed",),
    },
)
