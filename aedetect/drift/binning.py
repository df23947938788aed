"""Rows -> bins of each column, and how far two distributions over bins differ."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Float64, Int8, Int32, Int64
from aedetect.preprocessing.encoding import encode_categories

if TYPE_CHECKING:
    from aedetect.data import Rows
    from aedetect.preprocessing import Preparation

BINS = 16
MIN_ROWS = 50  # counted ones, of days that are judged together
WHOLE = 0.8  # of the usual rows: part of a daily cycle is no distribution of a day
_DAY = 86_400_000_000_000  # ns
_ROWS_A_DAY = 144  # of each entity: a share that moves by 0.1 is seen in so many
_BETS_A_DAY = 48  # p-values: neighbouring rows are dependent
_FEW_ROWS = 10  # where so many days together have no more, as of daily rows
_MOST_DAYS = 14  # that are judged together; with fewer rows no column is
_PRIOR = 0.5  # rows added to each bin, so that an empty bin is no infinite distance


def thinned(time: Int64, *, period: int) -> Bool:
    """Return which rows count, by their time alone: (R,) -> (R,)."""
    return chosen_ticks(time, period=period, step=_counted_step(period))


def block_days(period: int) -> int:
    """Return how many days of rows are judged together: one, more where rows are hours apart.

    >>> [block_days(minutes * 60_000_000_000) for minutes in (1, 20, 30, 60)]
    [1, 1, 2, 3]
    """
    return min(math.ceil(MIN_ROWS / WHOLE / _rows_a_day(period)), _MOST_DAYS)


def least_rows(period: int) -> int:
    """Return how many rows a block of days needs to be judged.

    >>> [least_rows(hours * 3_600_000_000_000) for hours in (1, 6, 8, 24)]
    [50, 50, 10, 10]
    """
    return MIN_ROWS if _rows_a_day(period) * _MOST_DAYS >= MIN_ROWS else _FEW_ROWS


def _rows_a_day(period: int) -> int:
    return max(_DAY // (max(period, 1) * _counted_step(period)), 1)


def _counted_step(period: int) -> int:
    return max(_DAY // _ROWS_A_DAY // max(period, 1), 1)


def betting(time: Int64, *, period: int, length: int) -> Bool:
    """Return which rows have a p-value that counts; no two of their windows overlap: (R,)."""
    step = max(_DAY // _BETS_A_DAY // max(period, 1), length, 1)
    return chosen_ticks(time, period=period, step=step)


def chosen_ticks(time: Int64, *, period: int, step: int) -> Bool:
    """Return the rows of every `step`-th period: (R,) -> (R,).

    >>> chosen_ticks(np.array([0, 5, 10, 15, 20]), period=5, step=2).tolist()
    [True, False, True, False, True]
    """
    return np.asarray(time // max(period, 1) % step == 0)


def scaled_values(preparation: Preparation, rows: Rows, entity: Int32) -> Float64:
    """Return values in units that entities share; categories as codes; NaN missing: (R, F)."""
    values = np.where(np.isfinite(rows.values), rows.values, np.nan)
    encoded = encode_categories(values, preparation.features)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = preparation.scaling.transform(encoded, entity)[:, preparation.first_columns]
    texts = [feature.is_text for feature in preparation.features]
    return np.where(np.isnan(values) | np.array(texts), values, scaled)


def binned(values: Float64, edges: Float64) -> Int8:
    """Return the bin of each cell, -1 when missing: (R, F), (F, BINS - 1) -> (R, F)."""
    found = np.zeros(values.shape, dtype=np.int8)
    for limits in edges.T:
        found += values >= limits
    found[np.isnan(values)] = -1
    return found


def counted(bins: Int8, group: Int64, *, groups: int) -> Int64:
    """Count the rows in each bin: (R, F), (R,) -> (groups, F, BINS)."""
    columns = bins.shape[1]
    place = (group[:, None] * columns + np.arange(columns)) * BINS + bins
    flat = np.bincount(place[bins >= 0], minlength=groups * columns * BINS)
    return np.asarray(flat.reshape(groups, columns, BINS), dtype=np.int64)


def stability_index(now: Int64, usual: Float64) -> Float64:
    """Return the population stability index (PSI) of counts: (..., BINS) twice -> (...).

    The symmetric Kullback-Leibler divergence of the shares, less its expectation from sampling,
    (bins - 1)(1 / n + 1 / m) of the bins in use: Yurdakul, Naranjo: Statistical properties of the
    population stability index (2020). NaN where nothing was counted.

    >>> one = np.array([50] * 16)
    >>> float(stability_index(one, one.astype(float)))
    0.0
    """
    used = (now > 0) | (usual > 0)
    own, other = now.sum(axis=-1), usual.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        bins = used.sum(axis=-1)
        first = np.where(used, (now + _PRIOR) / (own + _PRIOR * bins)[..., None], 1.0)
        second = np.where(used, (usual + _PRIOR) / (other + _PRIOR * bins)[..., None], 1.0)
        index = ((first - second) * np.log(first / second)).sum(axis=-1)
        index = np.maximum(index - (bins - 1) * (1 / own + 1 / other), 0.0)
    return np.where((own > 0) & (other > 0), index, np.nan)


def farthest_index(usual: Float64) -> Float64:
    """Return the largest PSI that as many rows can have, all in one bin: (N, BINS) -> (N,).

    >>> round(float(farthest_index(np.full((1, 16), 50.0))[0]), 1)
    6.8
    """
    rows = np.rint(usual.sum(axis=1)).astype(np.int64)
    alone = np.eye(BINS, dtype=np.int64)[None] * rows[:, None, None]
    return np.asarray(
        stability_index(alone, np.broadcast_to(usual[:, None], alone.shape)).max(axis=1)
    )
