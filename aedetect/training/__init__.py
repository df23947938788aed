"""Training on normal data: the training loop, its loss, and the selection of training rows."""

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
