"""Segments like real faults, injected among held-out rows: evidence where there are no labels.

Unlike single synthetic anomalies (`synthetic_anomalies`), these are long or short, slow or sudden,
of one column or of many, they end again, and they stand in the series, so that scores that look
back at earlier rows are evaluated as they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64

_SHARE = 0.12  # of the rows that are injected
_LENGTHS = (10, 300)  # rows of a segment, spikes apart; drawn evenly by ratio
_SPIKE = (1, 3)
_LARGEST = 5  # a segment has at most this part of its series
_BESIDE = 60  # rows at least between two, of a long series
_VARIES = 1e-6  # standard deviation of a column that is altered, in model units

# (T, C) readings of the chosen columns, (C,) standard deviations, (R, C) the whole series, first
# row of the segment, generator -> (T, C).
Segment = Callable[[Float32, Float64, Float32, int, np.random.Generator], Float64]


@dataclass(frozen=True)
class HeldOutSeries:
    """Series to inject into. Shapes: R rows of all, D columns.

    runs are pairs of the first row and the row after the last of each series; columns (C,) which
    may be altered; std (len(runs), D) of what was learnt from, in model units.
    """

    matrix: Float32
    runs: Sequence[tuple[int, int]]
    columns: Int64
    std: Float64


def inject_segments(
    held_out: HeldOutSeries, kind: str, *, seed: Sequence[int]
) -> tuple[Float32, Bool]:
    """Return a copy of the rows with segments of one kind, and which rows these change: (R,)."""
    matrix, changed = np.array(held_out.matrix), np.zeros(len(held_out.matrix), dtype=np.bool_)
    for number, (start, stop) in enumerate(held_out.runs):
        random = np.random.default_rng([*seed, number])
        std = held_out.std[number]
        columns = held_out.columns[std[held_out.columns] > _VARIES]
        if len(columns):
            rows = slice(start, stop)
            _plant(matrix[rows], changed[rows], kind, columns, std, random)
    return matrix, changed


def _plant(
    rows: Float32,
    changed: Bool,
    kind: str,
    columns: Int64,
    std: Float64,
    random: np.random.Generator,
) -> None:
    """Inject segments into one series, in place."""
    shortest, longest = _SPIKE if kind == "spike" else _LENGTHS
    longest = min(longest, max(shortest + 1, len(rows) // _LARGEST))
    beside = min(_BESIDE, len(rows) // 4)
    first, whole = int(random.integers(0, max(1, min(_LENGTHS[1], len(rows) // 2)))), rows.copy()
    while True:
        drawn = int(np.exp(random.uniform(np.log(shortest), np.log(longest + 1))))
        length = min(max(drawn, shortest), longest)
        if first + length >= len(rows):
            return
        chosen = _choose(columns, random)
        part = slice(first, first + length)
        before = whole[part][:, chosen]
        after = KINDS[kind](before, std[chosen], whole[:, chosen], first, random)
        rows[part, chosen] = after
        changed[part] = (rows[part, chosen] != before).any(axis=1)
        first += length + int(max(beside, length * (1 / _SHARE - 1) * random.uniform(0.6, 1.4)))


def _choose(columns: Int64, random: np.random.Generator) -> Int64:
    """Draw one to half of the columns, few more often than many."""
    most = np.log(len(columns) / 2 + 1)
    count = min(len(columns), max(1, int(np.exp(random.uniform(0, most)))))
    return np.asarray(random.choice(columns, count, replace=False))


def _signs(std: Float64, random: np.random.Generator) -> Float64:
    return np.asarray(random.choice([-1.0, 1.0], len(std)) * std)


def _spike(
    before: Float32, std: Float64, whole: Float32, first: int, random: np.random.Generator
) -> Float64:
    """Shift one to three rows by 2 to 8 standard deviations."""
    del whole, first
    return np.asarray(before + _signs(std, random) * random.uniform(2, 8))


def _level_shift(
    before: Float32, std: Float64, whole: Float32, first: int, random: np.random.Generator
) -> Float64:
    """Move to another level, 0.5 to 3 standard deviations away, and back."""
    del whole, first
    rank = np.arange(1, len(before) + 1)
    slope = random.integers(1, 2 + len(before) // 4)
    ramp = np.minimum(1, np.minimum(rank, rank[::-1]) / slope)[:, None]
    return np.asarray(before + ramp * _signs(std, random) * random.uniform(0.5, 3))


def _drift(
    before: Float32, std: Float64, whole: Float32, first: int, random: np.random.Generator
) -> Float64:
    """Move away slowly, by 1 to 4 standard deviations in the end."""
    del whole, first
    ramp = (np.arange(1, len(before) + 1) / len(before))[:, None]
    return np.asarray(before + ramp * _signs(std, random) * random.uniform(1, 4))


def _noise(
    before: Float32, std: Float64, whole: Float32, first: int, random: np.random.Generator
) -> Float64:
    """Add noise of 0.3 to 2 standard deviations."""
    del whole, first
    return np.asarray(before + random.normal(size=before.shape) * std * random.uniform(0.3, 2))


def _stuck(
    before: Float32, std: Float64, whole: Float32, first: int, random: np.random.Generator
) -> Float64:
    """Repeat the first row."""
    del std, whole, first, random
    return np.repeat(before[:1], len(before), axis=0).astype(np.float64)


def _other_time(
    before: Float32, std: Float64, whole: Float32, first: int, random: np.random.Generator
) -> Float64:
    """Take the readings of another time, which the other columns contradict."""
    del std, first
    start = int(random.integers(0, len(whole) - len(before)))
    return whole[start : start + len(before)].astype(np.float64)


def _amplitude(
    before: Float32, std: Float64, whole: Float32, first: int, random: np.random.Generator
) -> Float64:
    """Damp or amplify what varies about the mean of the segment."""
    del std, whole, first
    mean = before.mean(axis=0, dtype=np.float64)
    return np.asarray(mean + (before - mean) * random.choice([0.1, 0.3, 2.0, 3.0]))


def _delay(
    before: Float32, std: Float64, whole: Float32, first: int, random: np.random.Generator
) -> Float64:
    """Take the readings of 5 to 60 rows earlier."""
    del std
    start = max(0, first - int(random.integers(5, 60)))
    return whole[start : start + len(before)].astype(np.float64)


KINDS: dict[str, Segment] = {
    "spike": _spike,
    "level_shift": _level_shift,
    "drift": _drift,
    "noise": _noise,
    "stuck": _stuck,
    "other_time": _other_time,
    "amplitude": _amplitude,
    "delay": _delay,
}
