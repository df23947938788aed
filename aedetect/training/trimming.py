"""Trimmed training: exclude the training rows with the largest error, which may be anomalies.

Least trimmed squares: fit, trim the share of rows with the largest error, and fit again on the rest
until the trimmed rows do not change. Rousseeuw: Least median of squares regression (1984). The
steps follow Rousseeuw, Van Driessen: Computing LTS regression for large data sets (2006), and for
autoencoders Beggel, Pfeiffer, Bischl: Robust anomaly detection in images (2019). It fails when a
fault is so long and steady that the first fit reconstructs it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int8
from aedetect.errors import TooFewRows
from aedetect.logs import log_event
from aedetect.preprocessing import Part
from aedetect.training.fit import Fitted, train_network
from aedetect.training.loss import batches
from aedetect.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aedetect.arrays import Bool, Float32, Int64
    from aedetect.models.base import Autoencoder
    from aedetect.preprocessing import Windows

logger = logging.getLogger(__name__)

EVALUATED_PARTS = (Part.LEARN, Part.VALIDATE, Part.CALIBRATE)
_CHUNK = 512  # windows per batch
_ROUNDS = 2  # of trimming, at most; each trains again
_ROUNDS_CLOSED = 10  # where training has a closed form


@dataclass(frozen=True)
class Trimmed:
    """The network trained without the trimmed rows, and the rows that do not fit it.

    Shapes: error (R,) mean squared error of each row, NaN where no window covers it; suspect (R,)
    the trimmed rows, and those of the other parts whose error is above `cut`.
    """

    fitted: Fitted
    windows: Mapping[Part, Windows]  # without those that contain trimmed rows
    error: Float64
    cut: float
    suspect: Bool


def fit_trimmed(
    model: Autoencoder,
    windows: Mapping[Part, Windows],
    part: Int8,
    *,
    settings: TrainingSettings,
) -> Trimmed:
    """Train without the share `settings.trim` of training rows with the largest error: (R,).

    Validation rows with an equally large error are trimmed too, up to the same share. Calibration
    rows are evaluated but kept, because the promise of the threshold holds for all of them. Each
    round starts from the same initial weights. Raises TooFewRows when no window would be left.
    """
    trimmed = np.zeros(len(part), dtype=np.bool_)
    rounds = _ROUNDS_CLOSED if model.closed_form else _ROUNDS
    trimmed_parts = (Part.LEARN, Part.VALIDATE)
    for number in range(rounds + 1):
        kept = {**windows, **{each: drop_windows(windows[each], trimmed) for each in trimmed_parts}}
        _check_left(windows, kept, settings.trim)
        fitted = train_network(
            deepcopy(model), kept[Part.LEARN], kept[Part.VALIDATE], settings=settings
        )
        error = row_errors(
            fitted.model, [windows[each] for each in EVALUATED_PARTS], rows=len(part)
        )
        cut, largest = rows_to_trim(error, part, share=settings.trim)
        if number == rounds or (largest == trimmed).all():
            break
        trimmed = largest
        log_event(logger, "trimmed", round=number + 1, rows=int(trimmed.sum()), cut=cut)
    others = np.isin(part, (Part.VALIDATE, Part.CALIBRATE))
    return Trimmed(fitted, kept, error, cut, trimmed | (others & (error > cut)))


def drop_windows(windows: Windows, trimmed: Bool) -> Windows:
    """Drop the windows that contain a trimmed row: (R,)."""
    before = np.concatenate([[0], np.cumsum(trimmed)])
    held = before[windows.ends + 1] - before[windows.ends + 1 - windows.length]
    return replace(windows, ends=windows.ends[held == 0])


def rows_to_trim(error: Float64, part: Int8, *, share: float) -> tuple[float, Bool]:
    """Return the largest error kept, and the mask of rows to trim: (R,), (R,) -> (R,).

    >>> error, part = np.array([1.0, 9.0, 2.0, 8.0]), np.array([0, 0, 1, 1], np.int8)
    >>> rows_to_trim(error, part, share=0.5)[1].tolist()
    [False, True, False, True]
    """
    cut = _largest_kept(error[part == Part.LEARN], share)
    own = _largest_kept(error[part == Part.VALIDATE], share)
    limit = np.where(part == Part.LEARN, cut, max(cut, own))
    return cut, np.isin(part, (Part.LEARN, Part.VALIDATE)) & (error > limit)


def _largest_kept(error: Float64, share: float) -> float:
    known = error[~np.isnan(error)]
    rank = len(known) - int(share * len(known)) - 1
    return float(np.partition(known, rank)[rank])


def row_errors(model: Autoencoder, parts: list[Windows], *, rows: int) -> Float64:
    """Return the mean squared error of each row over its observed cells and windows: (R,).

    NaN where no window covers a row, or no cell was observed.
    """
    total, count = np.zeros(rows), np.zeros(rows)
    for windows in parts:
        for ends, squared, observed in squared_errors(model, windows):
            for step in range(windows.length):
                row = ends - (windows.length - 1) + step
                total[row] += squared[:, step].sum(axis=1)
                count[row] += observed[:, step].sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def squared_errors(model: Autoencoder, windows: Windows) -> Iterator[tuple[Int64, Float32, Bool]]:
    """Yield ends (B,), squared residuals (B, T, D), 0 where unobserved, and the mask (B, T, D)."""
    import torch

    for chosen in batches(np.arange(len(windows)), _CHUNK):
        values, observed = windows.take(chosen)
        with torch.inference_mode():
            expected = model(torch.from_numpy(values)).numpy()
        squared = np.square(values[:, :, : expected.shape[2]] - expected) * observed
        yield windows.ends[chosen], squared, observed


def _check_left(
    windows: Mapping[Part, Windows], kept: Mapping[Part, Windows], share: float
) -> None:
    for each in (Part.LEARN, Part.VALIDATE):
        if len(windows[each]) and not len(kept[each]):
            raise TooFewRows(
                f"at least one window without suspect rows is needed to {each.name.lower()}, "
                f"but [training] trim = {share:g} leaves none of {len(windows[each]):,}: "
                "lower trim, or [window] length"
            )
