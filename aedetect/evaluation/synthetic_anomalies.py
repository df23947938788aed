"""Synthetic anomalies injected into copies of held-out normal rows: evaluation without labels.

Strength is in standard deviations of the training rows, in original units: except for noise, no
cell moves further than that. For a stuck sensor, strength is the duration in units of STUCK_ROWS.
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
SEGMENT_ROWS = 16  # duration of an anomaly, except for spikes and stuck sensors
STUCK_ROWS = 4  # per unit of strength, duration of a stuck sensor
_TRIES = 50  # draws of a position and columns until an anomaly fits and changes a cell
_CONSTANT = 1e-7  # relative standard deviation below which a column is constant

# (T, C) readings, (T, C) readings from another time, (C,) strength in original units, generator ->
# (T, C) altered readings.
Alteration = Callable[[Float64, Float64, Float64, np.random.Generator], Float64]


@dataclass(frozen=True, kw_only=True)
class HeldOutRows:
    """Held-out normal rows. Shapes: R rows, F features, E entities."""

    values: Float64  # (R, F)
    entity: Int32  # (R,) ascending
    ends: Int64  # (N,) rows with a whole window, ascending; only these are altered
    std: Float64  # (E, F) standard deviations; 0: the column is never altered


@dataclass(frozen=True, kw_only=True)
class SyntheticAnomaly:
    """One segment to alter, and the parameters of its alteration."""

    kind: KindName
    strength: float
    start: int  # row
    columns: tuple[int, ...]
    donor: int  # first row of the readings from another time
    seed: int

    @property
    def length(self) -> int:
        """Duration in rows."""
        return length_of(self.kind, self.strength)


def length_of(kind: KindName, strength: float) -> int:
    """Return the duration of an anomaly in rows.

    >>> [length_of(kind, 2.0) for kind in ("spike", "drift", "stuck_sensor")]
    [1, 16, 8]
    """
    if kind == "spike":
        return 1
    return round(STUCK_ROWS * strength) if kind == "stuck_sensor" else SEGMENT_ROWS


def plan_anomalies(
    held_out: HeldOutRows,
    *,
    seed: int,
    strengths: Sequence[float] = STRENGTHS,
    repeats: int = REPEATS,
) -> tuple[SyntheticAnomaly, ...]:
    """Draw the anomalies to inject; each is injected into its own copy of the rows.

    All strengths of a kind use the same positions, so that they differ only in strength. Stuck
    sensors are the exception, because their duration depends on the strength. A kind that does not
    fit, such as swapped sensors with a single sensor, is omitted. Raises TooFewRows when none fits.
    """
    drawn = [
        _place(held_out, kind, strength, np.random.default_rng([seed, number, repeat]))
        for (number, kind), strength, repeat in product(enumerate(KINDS), strengths, range(repeats))
    ]
    placed = tuple(anomaly for anomaly in drawn if anomaly is not None)
    if not placed:
        raise TooFewRows(
            "injected anomalies need a numeric column that varies and whole windows of held-out "
            f"rows, got {len(held_out.ends)} windows of which none fits: give more rows, lower "
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
    size = anomaly.strength * held_out.std[held_out.entity[anomaly.start], columns]
    after = KINDS[anomaly.kind](before, donor, size, np.random.default_rng(anomaly.seed))
    rows[:, columns] = np.where(np.isfinite(before) & np.isfinite(after), after, before)
    return rows


def altered_rows(held_out: HeldOutRows, anomaly: SyntheticAnomaly) -> Bool:
    """Return the mask of the rows that an anomaly changes: (length,)."""
    before = held_out.values[anomaly.start : anomaly.start + anomaly.length]
    after = inject_anomalies(held_out, anomaly)
    return np.asarray(((before != after) & ~np.isnan(before)).any(axis=1))


def column_std(values: Float64) -> Float64:
    """Return the standard deviation of each column, 0 if constant: (R, F) -> (F,).

    Only finite cells count.

    >>> column_std(np.array([[1.0, 7.0], [3.0, 7.0], [np.nan, 7.0]])).tolist()
    [1.0, 0.0]
    """
    finite = np.ma.masked_invalid(values)
    deviation, size = finite.std(axis=0).filled(0.0), np.abs(finite.mean(axis=0)).filled(0.0)
    return np.where(deviation > _CONSTANT * size, deviation, 0.0)


def spike(readings: Float64, donor: Float64, size: Float64, random: np.random.Generator) -> Float64:
    """Shift one reading up or down."""
    return level_shift(readings, donor, size, random)


def level_shift(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """Shift all readings by the same amount, up or down."""
    del donor
    return np.asarray(readings + random.choice([-1.0, 1.0]) * size)


def drift(readings: Float64, donor: Float64, size: Float64, random: np.random.Generator) -> Float64:
    """Shift readings by a linearly growing amount that reaches the full size."""
    del donor
    ramp = np.arange(1, len(readings) + 1)[:, None] / len(readings)
    return np.asarray(readings + random.choice([-1.0, 1.0]) * ramp * size)


def stuck_sensor(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """Repeat the first reading."""
    del donor, size, random
    return np.tile(readings[:1], (len(readings), 1))


def noise_burst(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """Add Gaussian noise whose standard deviation is the size."""
    del donor
    return np.asarray(readings + random.normal(size=readings.shape) * size)


def swapped_sensors(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """Exchange the readings of two sensors, limited by the size."""
    del donor, random
    return readings + np.clip(readings[:, ::-1] - readings, -size, size)


def broken_correlation(
    readings: Float64, donor: Float64, size: Float64, random: np.random.Generator
) -> Float64:
    """Replace the readings of one sensor by those of another time, limited by the size."""
    del random
    return readings + np.clip(donor - readings, -size, size)


KINDS: dict[KindName, Alteration] = {
    "spike": spike,
    "level_shift": level_shift,
    "drift": drift,
    "stuck_sensor": stuck_sensor,
    "noise_burst": noise_burst,
    "swapped_sensors": swapped_sensors,
    "broken_correlation": broken_correlation,
}
_COLUMNS: dict[KindName, int] = {"swapped_sensors": 2}  # altered columns; 1 for the others
_SENSORS: dict[KindName, int] = {"swapped_sensors": 2, "broken_correlation": 2}  # that it needs


def _place(
    held_out: HeldOutRows, kind: KindName, strength: float, random: np.random.Generator
) -> SyntheticAnomaly | None:
    """Draw until an anomaly fits and changes a cell; None after _TRIES attempts."""
    for _ in range(_TRIES):
        anomaly = _draw(held_out, kind, strength, random)
        if anomaly is not None and altered_rows(held_out, anomaly).any():
            return anomaly
    return None


def _draw(
    held_out: HeldOutRows, kind: KindName, strength: float, random: np.random.Generator
) -> SyntheticAnomaly | None:
    """Draw a position, readings from another time, and columns that vary; None if impossible."""
    length = length_of(kind, strength)
    start = _draw_segment(held_out, held_out.ends, length, random)
    if start is None:
        return None
    first, last = np.searchsorted(held_out.entity[held_out.ends], held_out.entity[start] + [0, 1])
    donor = _draw_segment(held_out, held_out.ends[first:last], length, random)
    varying = np.flatnonzero(held_out.std[held_out.entity[start]])
    if donor is None or len(varying) < _SENSORS.get(kind, 1):
        return None
    chosen = random.choice(varying, _COLUMNS.get(kind, 1), replace=False)
    columns, seed = tuple(chosen.tolist()), int(random.integers(2**31))
    return SyntheticAnomaly(
        kind=kind, strength=strength, start=start, columns=columns, donor=donor, seed=seed
    )


def _draw_segment(
    held_out: HeldOutRows, ends: Int64, length: int, random: np.random.Generator
) -> int | None:
    """Draw the first row of a contiguous segment of one entity; None when the draw is not one."""
    if length < 1 or len(ends) < length:
        return None
    place = int(random.integers(len(ends) - length + 1))
    start, last = int(ends[place]), int(ends[place + length - 1])
    whole = last - start == length - 1 and held_out.entity[start] == held_out.entity[last]
    return start if whole else None
