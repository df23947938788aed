"""Two versions on the same rows, which neither learnt: what speaks for the challenger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float64, Int64
from aedetect.calibration import HeldOut
from aedetect.calibration.forecast import Timing, covered, days, form_groups
from aedetect.calibration.poisson import count_interval
from aedetect.evaluation.settings import PromotionSettings

_LEAST_EVENTS = 3  # false events at which injected anomalies are compared, at least
_STEPS = 30  # of the bisection for a p-value
_LOWEST = -300.0  # log10 of a p-value, below what floats hold
_LEVELS = (0.1, 0.01)  # p-values whose observed share is compared
_LEAST_EXPECTED = 20  # rows below a level, for its share to mean something
_LARGEST = 1e6  # a factor, instead of infinity
_ROUNDING = 1e-9  # of shares


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """One version's verdicts on the common rows (N,), and on injected anomalies.

    `injected` (A,): the smallest p-value in each injected anomaly, 1 where none was scored.
    """

    p_value: Float64
    flagged: Bool
    injected: Float64
    predicted: float  # events a day, by its calibration


@dataclass(frozen=True)
class CommonRows:
    """Rows that both versions scored, by entity and time, and the known anomaly of each.

    `known` (N,): number of the anomaly, -1 for none.
    """

    rows: HeldOut
    known: Int64
    timing: Timing


@dataclass(frozen=True)
class Check:
    """One measure of the challenger and of the champion, and the limit for the challenger."""

    name: str
    challenger: float
    champion: float
    limit: float
    greater_is_better: bool
    text: str


def measure(
    common: CommonRows, verdicts: Mapping[str, Verdicts], settings: PromotionSettings
) -> tuple[Check, ...]:
    """Return the checks of a "challenger" against a "champion".

    A limit of a factor is that of the champion when the champion itself is further off: then the
    world has changed, and the challenger has to be no worse.
    """
    count = len(common.rows)
    rows = _at_least("rows", (count, count), settings.min_rows, "rows scored by both")
    if count < settings.min_rows:
        return (rows,)
    new, old = verdicts["challenger"], verdicts["champion"]
    checks = [rows, _injected(common, new, old, settings)]
    volume = [_volume(common, each) for each in (new, old)]
    text = "observed events against predicted (factor)"
    checks.append(_factor("alert_volume_factor", volume, settings.volume, text))
    shares = [_miscalibration(common, each) for each in (new, old)]
    text = "observed share of p-values against nominal (factor)"
    checks.append(_factor("p_value_factor", shares, settings.calibration, text))
    ranks = _agreement(new.p_value, old.p_value)
    text = "rank correlation of the scores"
    checks.append(_at_least("rank_agreement", (ranks, 1.0), settings.agreement, text))
    if (common.known >= 0).any():
        found = [_known_found(common, each) for each in (new, old)]
        one = 1 / len(np.unique(common.known[common.known >= 0]))  # one fewer is no evidence
        text = "share of the known anomalies found"
        least = min(settings.found * found[1], found[1] - one) - _ROUNDING
        checks.append(_at_least("known_found", found, least, text))
    return tuple(checks)


def _factor(name: str, values: list[float], limit: float, text: str) -> Check:
    most = max(limit, values[1])
    return Check(name, values[0], values[1], most, greater_is_better=False, text=text)


def _at_least(name: str, values: Sequence[float], limit: float, text: str) -> Check:
    return Check(name, values[0], values[1], limit, greater_is_better=True, text=text)


def _injected(
    common: CommonRows, new: Verdicts, old: Verdicts, settings: PromotionSettings
) -> Check:
    """Compare the share of injected anomalies found, each version at the same false events."""
    normal = common.rows.take(common.known < 0)
    span = days(covered(normal, common.timing, together=True))
    most = max(_LEAST_EVENTS, round(old.predicted * span))
    found = []
    for each in (new, old):
        level = level_at(normal, each.p_value[common.known < 0], common.timing, events=most)
        found.append(float(np.mean(each.injected <= level)))
    text = f"share of {len(new.injected)} injected anomalies found at {most} false events"
    return _at_least("injected_found", found, settings.found * found[1], text)


def level_at(rows: HeldOut, p_value: Float64, timing: Timing, *, events: int) -> float:
    """Return a p-value at and below which rows form at most so many events, by bisection."""
    low, high = _LOWEST, -1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        flagged = p_value <= 10**middle
        count = len(form_groups(rows, flagged, timing.rules, timing.own)[0])
        low, high = (middle, high) if count <= events else (low, middle)
    return float(10**low)


def _volume(common: CommonRows, each: Verdicts) -> float:
    """Return by which factor events differ from the forecast at least: 1 within the interval."""
    normal = common.known < 0
    rows = common.rows.take(normal)
    first, _ = form_groups(rows, each.flagged[normal], common.timing.rules, common.timing.own)
    expected = each.predicted * days(covered(rows, common.timing, together=True))
    low, high = count_interval(len(first))
    return min(max(low / max(expected, 1e-9), expected / high, 1.0), _LARGEST)


def _miscalibration(common: CommonRows, each: Verdicts) -> float:
    """Return the largest factor between the share of rows below a p-value and that p-value."""
    p_value = each.p_value[common.known < 0]
    factors = [1.0]
    for level in _LEVELS:
        if level * len(p_value) >= _LEAST_EXPECTED:
            share = max(float(np.mean(p_value <= level)), 1 / len(p_value))
            factors.append(max(share / level, level / share))
    return max(factors)


def _agreement(first: Float64, second: Float64) -> float:
    """Return Spearman's correlation; 0 when one version gives all rows the same p-value."""
    from scipy.stats import rankdata

    ranks = [rankdata(each) for each in (first, second)]
    if any(float(each.std()) == 0 for each in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _known_found(common: CommonRows, each: Verdicts) -> float:
    """Return the share of known anomalies with a flagged row."""
    inside = common.known >= 0
    anomalies = np.unique(common.known[inside])
    return len(np.unique(common.known[inside & each.flagged])) / len(anomalies)
