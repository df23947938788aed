"""How far quiet days of the training differ from each other: beyond that, a day has shifted.

With few days the largest of them is no limit: of n, one more exceeds it with probability
1 / (n + 1). So limits grow as a prediction limit by Student's t distribution does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int64

if TYPE_CHECKING:
    from aedetect.calibration import HeldOut
    from aedetect.drift.training_days import TrainingDays

MIN_DAYS = 3  # before which no column is judged: a daily cycle is not known from less
_LEAST_INDEX = 0.25  # "a major shift" by the usual rule of thumb for the PSI
_BEYOND = 2.0  # times what any training day reached
_MONTHS, _DAYS = 1_000, 30  # quiet ones with one false alarm, of all columns together
_DEPENDENT = 1.5  # days that two in a row are worth
_MORE_MISSING = 0.05
_RARE = (_MONTHS * _DAYS) ** (-1 / _DEPENDENT)  # of days beyond a limit of scores
_USUAL_SPREAD, _WORTH = 0.2, 4  # of log scores between days (SMD 0.18), as so many days say
_WHOLE = 0.5  # of the usual rows of a held-out day
_DAY = 86_400_000_000_000  # ns


def index_limits(index: Float64, days: TrainingDays) -> Float64:
    """Return the PSI beyond which a day has shifted: (N, F) -> (F,).

    PSI grows as the square of the distance between means: where these are normal, PSI over its mean
    is as the square of Student's t.
    """
    from scipy.special import stdtrit  # takes time to import

    judged = np.where((days.rows >= days.complete)[:, None], index, np.nan)
    count = (~np.isnan(judged)).sum(axis=0)
    known = np.nan_to_num(judged)
    most, mean = known.max(axis=0, initial=0.0), known.sum(axis=0) / np.maximum(count, 1)
    freedom = np.maximum(count - len(np.unique(days.group)), 1).astype(float)
    rare = (_MONTHS * _DAYS * index.shape[1]) ** (-1 / _DEPENDENT)
    limit = np.maximum(mean * stdtrit(freedom, 1 - rare / 2) ** 2, _BEYOND * most)
    enough = (count >= MIN_DAYS) & (days.days >= MIN_DAYS)
    return np.where(enough, np.maximum(limit, _LEAST_INDEX), np.inf)


def missing_limits(days: TrainingDays) -> Float64:
    """Return the share of missing cells of a day beyond which a column is lost: (F,)."""
    enough = days.rows >= days.complete
    shares = days.missing[enough] if enough.any() else days.missing
    return np.asarray(shares.max(axis=0)) + _MORE_MISSING


def levels(held_out: HeldOut, entities: int) -> Float64:
    """Return the mean logarithm of normal held-out scores, and last of all: (E + 1,)."""
    normal = held_out.normal
    if not len(normal) or not (normal.score > 0).all():
        return np.full(entities + 1, np.nan)
    logs = np.log(normal.score.astype(np.float64))
    if not entities:
        return np.array([logs.mean()])
    count = np.bincount(normal.entity, minlength=entities)[:entities]
    total = np.bincount(normal.entity, logs, minlength=entities)[:entities]
    own = np.where(count > 0, total / np.maximum(count, 1), logs.mean())
    return np.append(own, logs.mean())


def level_limits(held_out: HeldOut, entities: int, *, length: int) -> Float64:
    """Return how far the level of a day may be from the held-out one, as a logarithm: (E + 1,).

    A prediction limit by the days, or blocks of `length` days, that were held out; the spread
    between them is that of all entities.
    """
    from scipy.special import stdtrit  # takes time to import

    own, mean = _day_means(held_out, length=length)
    codes, place, count = np.unique(own, return_inverse=True, return_counts=True)
    center = np.bincount(place, mean) / count
    freedom = float(len(mean) - len(codes))
    total = float(np.square(mean - center[place]).sum()) + _WORTH * _USUAL_SPREAD**2
    spread = np.sqrt(total / (freedom + _WORTH))
    days = np.ones(entities + 1)
    known = codes < entities
    days[codes[known]] = count[known]
    if not entities and len(count):  # scaled together: what is usual of one of them
        days[:] = np.median(count)
    rare = stdtrit(freedom + _WORTH, 1 - _RARE)
    return np.asarray(rare * spread * np.sqrt(1 + 1 / days))


def _day_means(held_out: HeldOut, *, length: int) -> tuple[Int64, Float64]:
    """Return the entity and the mean logarithm of each held-out day with enough rows."""
    normal = held_out.normal
    normal = normal.take(normal.score > 0)
    if not len(normal):
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    day = normal.time // (_DAY * length)
    key = normal.entity.astype(np.int64) * (day.max() - day.min() + 1) + day - day.min()
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    count = np.bincount(place)
    mean = np.bincount(place, np.log(normal.score.astype(np.float64))) / count
    enough = count >= _WHOLE * np.median(count)
    return normal.entity[first[enough]].astype(np.int64), mean[enough]
