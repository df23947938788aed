"""Anomalies planted in copies of held-out normal rows, in original units: a test without labels.

Strength counts in spreads, the standard deviation of the rows learnt from: no cell is moved further
than that, noise aside. A stuck sensor has no size: there it is how long, in STUCK_ROWS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from aedetect.arrays import Bool, Float64, Int32, Int64
from aedetect.errors import TooFewRows

KindName = Literal[
    "spike",
    "level_shift",
    "drift",
    "stuck_sensor",
    "noise_burst",
    "swapped_sensors",
    "broken_correlation",
]
STRENGTHS = (1.0, 2.0, 4.0, 8.0)
REPEATS = 20  # anomalies of each kind and strength
STRETCH_ROWS = 16  # that an anomaly lasts, unless its kind says otherwise
STUCK_ROWS = 4  # times its strength, that a sensor is stuck for
_TRIES = 50  # places and columns drawn until an anomaly fits and changes something
_CONSTANT = 1e-7  # spread relative to size below which a column is constant

# (T, C) the readings, (T, C) readings of another time, (C,) strength in original units, and a
# generator -> (T, C).
Alter = Callable[[Float64, Float64, Float64, np.random.Generator], Float64]


@dataclass(frozen=True, kw_only=True)
class HeldOutRows:
    """Normal rows that nothing was learnt from. Shapes: R rows, F features, E entities."""

    values: Float64  # (R, F)
    entity: Int32  # (R,) ascending
    ends: Int64  # (N,) rows that have a whole window and may be altered, ascending
    spread: Float64  # (E, F) 0 where a column is never altered


@dataclass(frozen=True, kw_only=True)
class SyntheticAnomaly:
    """One stretch to be altered: everything that its alteration depends on, beside the rows."""

    kind: KindName
    strength: float
    start: int  # row
    columns: tuple[int, ...]
    donor: int  # row at which the readings of another time begin
    seed: int

    @property
    def length(self) -> int:
        """Rows that it lasts."""
        return length_of(self.kind, self.strength)


def length_of(kind: KindName, strength: float) -> int:
    """Return the rows that an anomaly lasts.

    >>> [length_of(kind, 2.0) for kind in ("spike", "drift", "stuck_sensor")]
    [1, 16, 8]
    """
    if kind == "spike":
        return 1
    return round(STUCK_ROWS * strength) if kind == "stuck_sensor" else STRETCH_ROWS


def plan_anomalies(
    held_out: HeldOutRows,
    *,
    seed: int,
    strengths: Sequence[float] = STRENGTHS,
    repeats: int = REPEATS,
) -> tuple[SyntheticAnomaly, ...]:
    """Draw what to plant and where; each anomaly gets a copy of the rows for itself.

    All strengths of a kind come in the same places, so that nothing but the strength tells them
    apart; stuck sensors, which last longer, in others.
    A kind that does not fit, such as swapped sensors where there is one sensor, is left out.
    Raises TooFewRows when none fits.
    """
    drawn = [
        _place(held_out, kind, strength, np.random.default_rng([seed, number, repeat]))
        for (number, kind), strength, repeat in product(enumerate(KINDS), strengths, range(repeats))
    ]
    placed = tuple(anomaly for anomaly in drawn if anomaly is not None)
    if not placed:
        raise TooFewRows(
            "anomalies are planted in numbers that vary and have whole windows in the rows held "
            f"out, but none of the {len(held_out.ends)} windows has any: give more rows, lower "
            "[window] length, or raise [calibration] holdout"
        )
    return placed


def inject_anomalies(held_out: HeldOutRows, anomaly: SyntheticAnomaly) -> Float64:
    """Return the altered rows of one anomaly: (length, F). A missing cell stays missing."""
    length, columns = anomaly.length, list(anomaly.columns)
    rows = np.array(held_out.values[anomaly.start : anomaly.start + length])
    if not length:
        return rows
    before = rows[:, columns]
    donor = held_out.values[anomaly.donor : anomaly.donor + length, columns]
    size = anomaly.strength * held_out.spread[held_out.entity[anomaly.start], columns]
    after = KINDS[anomaly.kind](before, donor, size, np.random.default_rng(anomaly.seed))
    rows[:, columns] = np.where(np.isfinite(before) & np.isfinite(after), after, before)
    return rows


def changed(held_out: HeldOutRows, anomaly: SyntheticAnomaly) -> Bool:
    """Return which rows of an anomaly it alters: (length,)."""
    before = held_out.values[anomaly.start : anomaly.start + anomaly.length]
    after = inject_anomalies(held_out, anomaly)
    return np.asarray(((before != after) & ~np.isnan(before)).any(axis=1))


def spread_of(values: Float64) -> Float64:
    """Return each column's standard deviation over its finite cells: (R, F) -> (F,), 0 if constant.

    >>> spread_of(np.array([[1.0, 7.0], [3.0, 7.0], [np.nan, 7.0]])).tolist()
    [1.0, 0.0]
    """
    finite = np.ma.masked_invalid(values)
    spread, size = finite.std(axis=0).filled(0.0), np.abs(finite.mean(axis=0)).filled(0.0)
    return np.where(spread > _CONSTANT * size, spread, 0.0)


def spike(readings: Float64, donor: Float64, size: Float64, random: np.random.Generator) -> Float64:
    """One reading off, up or down."""
    return level_shift(readings, donor, size, random)


def level_shift(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """All readings off by as much, up or down."""
    del donor
    return np.asarray(readings + random.choice([-1.0, 1.0]) * size)


def drift(readings: Float64, donor: Float64, size: Float64, random: np.random.Generator) -> Float64:
    """Further off with every reading, by the full size at the end."""
    del donor
    ramp = np.arange(1, len(readings) + 1)[:, None] / len(readings)
    return np.asarray(readings + random.choice([-1.0, 1.0]) * ramp * size)


def stuck_sensor(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """The first reading, again and again."""
    del donor, size, random
    return np.tile(readings[:1], (len(readings), 1))


def noise_burst(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """Gaussian noise on every reading, its standard deviation the size."""
    del donor
    return np.asarray(readings + random.normal(size=readings.shape) * size)


def swapped_sensors(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """Each of two sensors shows the other's reading, as far as the size lets it."""
    del donor, random
    return readings + np.clip(readings[:, ::-1] - readings, -size, size)


def broken_correlation(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """One sensor shows what it showed at another time, as far as the size lets it."""
    del random
    return readings + np.clip(donor - readings, -size, size)


KINDS: dict[KindName, Alter] = {
    "spike": spike,
    "level_shift": level_shift,
    "drift": drift,
    "stuck_sensor": stuck_sensor,
    "noise_burst": noise_burst,
    "swapped_sensors": swapped_sensors,
    "broken_correlation": broken_correlation,
}
_COLUMNS: dict[KindName, int] = {"swapped_sensors": 2}  # that are altered; 1 for the others
_SENSORS: dict[KindName, int] = {"swapped_sensors": 2, "broken_correlation": 2}  # that it takes


def _place(
    held_out: HeldOutRows, kind: KindName, strength: float, random: np.random.Generator
) -> SyntheticAnomaly | None:
    """Draw until an anomaly fits and changes a cell; None when it does not come to that."""
    for _ in range(_TRIES):
        anomaly = _draw(held_out, kind, strength, random)
        if anomaly is not None and changed(held_out, anomaly).any():
            return anomaly
    return None


def _draw(
    held_out: HeldOutRows, kind: KindName, strength: float, random: np.random.Generator
) -> SyntheticAnomaly | None:
    """Draw a place, the readings of another time, and columns that vary; None when one is not."""
    length = length_of(kind, strength)
    start = _stretch(held_out, held_out.ends, length, random)
    if start is None:
        return None
    first, last = np.searchsorted(held_out.entity[held_out.ends], held_out.entity[start] + [0, 1])
    donor = _stretch(held_out, held_out.ends[first:last], length, random)
    varying = np.flatnonzero(held_out.spread[held_out.entity[start]])
    if donor is None or len(varying) < _SENSORS.get(kind, 1):
        return None
    chosen = random.choice(varying, _COLUMNS.get(kind, 1), replace=False)
    columns, seed = tuple(chosen.tolist()), int(random.integers(2**31))
    return SyntheticAnomaly(
        kind=kind, strength=strength, start=start, columns=columns, donor=donor, seed=seed
    )


def _stretch(
    held_out: HeldOutRows, ends: Int64, length: int, random: np.random.Generator
) -> int | None:
    """Draw the first of so many rows in sequence, all of one entity; None when they are not."""
    if length < 1 or len(ends) < length:
        return None
    place = int(random.integers(len(ends) - length + 1))
    start, last = int(ends[place]), int(ends[place + length - 1])
    whole = last - start == length - 1 and held_out.entity[start] == held_out.entity[last]
    return start if whole else None
