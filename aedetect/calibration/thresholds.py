"""Thresholds by rank or by the tail: a false-alarm rate, a quantile, a risk.

A threshold is refused when the held-out rows cannot support it; the error states how many it needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction

from aedetect.calibration.conformal import Reference, rows_for
from aedetect.calibration.sample import Sample
from aedetect.calibration.settings import (
    DEFAULT_RATE,
    CalibrationSettings,
    ThresholdName,
)
from aedetect.calibration.tail import MIN_EXCESSES, SHARES
from aedetect.errors import CalibrationRefused

MIN_OWN_ROWS = int(MIN_EXCESSES / SHARES[0])  # with fewer, the tail of an entity is not fitted
_MORE = "give more rows, raise [calibration] holdout"


@dataclass(frozen=True)
class Threshold:
    """A row is an anomaly when its score is above `value`."""

    value: float
    method: ThresholdName
    rate: float  # promised: at most this share of normal rows is flagged


@dataclass(frozen=True)
class Choice:
    """The pooled threshold, and those of entities with their own.

    `elsewhere` holds the pooled threshold at alternative settings.
    """

    pooled: Threshold
    own: Mapping[int, Threshold] = field(default_factory=dict)
    elsewhere: Mapping[str, float] = field(default_factory=dict)
    fallback: str = ""  # why the default budget was not taken


Method = Callable[[Reference, CalibrationSettings], Threshold]


def by_reference(method: Method) -> Callable[[Sample, CalibrationSettings], Choice]:
    """Apply a method to each entity; entities with too few scores share the pooled threshold.

    Score distributions may differ between entities. Mondrian conformal prediction: Vovk,
    Gammerman, Shafer: Algorithmic learning in a random world (2005), section 4.5.
    """

    def choose(sample: Sample, settings: CalibrationSettings) -> Choice:
        pooled = method(sample.pooled, settings)
        same = settings
        if pooled.method == "false_alarm_rate":
            same = replace(settings, false_alarm_rate=pooled.rate)
        own = {}
        for code, reference in sample.own.items():
            with suppress(CalibrationRefused):
                own[code] = method(reference, same)
        return Choice(pooled, own)

    return choose


def false_alarm_rate(reference: Reference, settings: CalibrationSettings) -> Threshold:
    """Flag at most a share of normal rows; below 1 / (n + 1) only with a tail that fits."""
    n = len(reference)
    rate = settings.false_alarm_rate
    if rate is None:
        rate = max(DEFAULT_RATE, float(f"{1 / (n + 1) + 5e-7:.6f}"))
    if not reference.supports(rate):
        raise CalibrationRefused(
            f"a false_alarm_rate of {rate:g} needs {rows_for(rate)} held-out windows, "
            f"got {n}, and {_why_no_tail(reference)}: {_MORE}, or ask for at least "
            f"{1 / (n + 1):.2g}"
        )
    return Threshold(reference.score_at(rate), "false_alarm_rate", rate)


def quantile(reference: Reference, settings: CalibrationSettings) -> Threshold:
    """Take the smallest held-out score with at least this share of them at or below it.

    The promise for new rows is (n + 1 - rank) / (n + 1), slightly weaker than 1 - quantile.
    """
    n, exact = len(reference), Fraction(f"{settings.quantile:.12g}")
    if n * (1 - exact) < 1:
        raise CalibrationRefused(
            f"a quantile of {settings.quantile:g} needs {math.ceil(1 / (1 - exact))} held-out "
            f"windows, got {n}: {_MORE}, or ask for at most {(n - 1) / n:.6g}"
        )
    rank = math.ceil(n * exact)
    return Threshold(float(reference.scores[rank - 1]), "quantile", (n + 1 - rank) / (n + 1))


def pot(reference: Reference, settings: CalibrationSettings) -> Threshold:
    """Take the score that the tail exceeds with a given probability (peaks over threshold).

    Siffer et al.: Anomaly detection in streams with extreme value theory (2017), equation 1.
    """
    risk = settings.pot
    if not reference.tail_fits:
        raise CalibrationRefused(
            f"pot = {risk:g} needs a tail of at least {MIN_EXCESSES} scores that fits, which takes "
            f"{MIN_OWN_ROWS} held-out windows or more, got {len(reference)}, and "
            f'{_why_no_tail(reference)}: {_MORE}, or take threshold = "false_alarm_rate", which '
            f"keeps {risk:g} by rank alone with {rows_for(risk)} windows"
        )
    tail = reference.tail
    if risk >= tail.share:
        raise CalibrationRefused(
            f"pot must be below the share {tail.share:.2g} of scores in the tail, got "
            f'{risk:g}; lower it, or take threshold = "false_alarm_rate"'
        )
    return Threshold(tail.score_at(risk), "pot", risk)


def _why_no_tail(reference: Reference) -> str:
    if len(reference) < MIN_OWN_ROWS:
        return f"fitting a tail needs {MIN_OWN_ROWS}"
    return "no tail fits them well enough to extrapolate"
