"""Two versions on the same rows, which neither learnt: what speaks for the challenger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Float64
from aedetect.calibration.forecast import covered, days, form_groups
from aedetect.calibration.poisson import count_interval
from aedetect.evaluation.common_rows import CommonRows, Verdicts
from aedetect.evaluation.false_events import level_at
from aedetect.evaluation.paired import (
    ComparedLevel,
    at_most_by_chance,
    found_at_level,
    greatest_value,
    largest_difference,
    least_value,
    margin_of,
    rank_agreement,
    resampled_means,
)
from aedetect.evaluation.settings import PromotionSettings

FOUND_ALONE = "found_alone"  # name of the check
_LEAST_EVENTS = 3  # false events at which injected anomalies are compared, at least
_LEVELS = (0.1, 0.01)  # p-values whose observed share is compared
_LEAST_EXPECTED = 20  # rows below a level, for its share to mean something
_NO_WORSE = 1.25  # times a factor of the champion, that is no worse
_CHANCE = 0.05  # that a version finds as many as the other
_LARGEST = 1e6  # a factor, instead of infinity
_TINY = 1e-9  # events, instead of none


@dataclass(frozen=True)
class Check:
    """One measure of the challenger and of the champion.

    What is compared with the limit is `evidence`: the figure, or difference, that speaks best for
    the challenger of those that the sample leaves open. So chance alone stops no version.
    """

    name: str
    challenger: float
    champion: float
    evidence: float
    limit: float
    greater_is_better: bool
    text: str


def measure(
    common: CommonRows, verdicts: Mapping[str, Verdicts], settings: PromotionSettings
) -> tuple[Check, ...]:
    """Return the checks of a "challenger" against a "champion".

    A limit of a factor is a little more than that of the champion when the champion itself is
    further off: then the world has changed, and the challenger has to be no worse.
    """
    count = len(common.rows)
    rows = _at_least("rows", (count, count), settings.min_rows, "rows scored by both")
    if count < settings.min_rows:
        return (rows,)
    new, old = verdicts["challenger"], verdicts["champion"]
    ranks = rank_agreement(new.p_value, old.p_value)
    agreement = _at_least(
        "rank_agreement", (ranks, 1.0), settings.agreement, "rank correlation of the scores"
    )
    return (
        rows,
        *_found(common, new, old, settings),
        _volume(common, new, old, settings),
        _miscalibration(common, new, old, settings),
        agreement,
    )


def _at_least(name: str, values: Sequence[float], limit: float, text: str) -> Check:
    return Check(name, values[0], values[1], values[0], limit, greater_is_better=True, text=text)


def _found(
    common: CommonRows, new: Verdicts, old: Verdicts, settings: PromotionSettings
) -> list[Check]:
    """Compare the anomalies found, injected and known, each version at the same false events.

    False events are those of the scores. What rules flag counts as found, and with the volume; what
    is flagged without the injected anomaly does not.
    """
    ordinary = common.known < 0
    normal = common.rows.take(ordinary)
    span = days(covered(normal, common.timing, together=True))
    most = max(_LEAST_EVENTS, round(old.predicted * span))
    levels = [
        level_at(normal, each.p_value[ordinary], common.timing, events=most) for each in (new, old)
    ]
    at = ComparedLevel([each.p_value[ordinary] for each in (new, old)], levels)
    injected = [each.told_by(level) for each, level in zip((new, old), levels, strict=True)]
    told = f"anomalies found at {most} false events"
    text = f"share of {len(new.injected)} injected {told}"
    checks = [_share("injected_found", injected, at, settings.found, text)]
    found_at, inside = injected, np.flatnonzero(~ordinary)
    if len(inside):
        known = [
            found_at_level(each.strangeness[inside], common.known[inside]) for each in (new, old)
        ]
        text = f"share of {len(known[0])} known {told}"
        checks.append(_share("known_found", known, at, settings.found, text))
        found_at = [np.append(*each) for each in zip(injected, known, strict=True)]
    return [*checks, _alone(found_at, at)]


def _alone(found_at: Sequence[Float64], at: ComparedLevel) -> Check:
    """Compare how many anomalies (A,) each finds alone, which a share of all hides.

    Both by replicates, since all depend on few rows, and by a sign test: of few anomalies,
    replicates are too sure.
    """
    won, lost = at.alone(found_at)
    total = max(won + lost, 1)
    chance = max(float((at.gains(found_at) >= 0).mean()), at_most_by_chance(won, won + lost))
    text = f"of the anomalies that one version finds alone, its share ({won} won, {lost} lost)"
    return Check(
        FOUND_ALONE, won / total, lost / total, chance, _CHANCE, greater_is_better=True, text=text
    )


def _share(
    name: str, found_at: Sequence[Float64], at: ComparedLevel, part: float, text: str
) -> Check:
    """Compare shares of the same anomalies (A,): lost by more than the margin, beyond chance.

    Of anomalies, and of the rows that the level of the comparison depends on.
    """
    won, lost = at.alone(found_at)
    new, old = (float(found.mean()) for found in at.found(found_at))
    count = len(found_at[0])
    by_rows = greatest_value(at.gains(found_at)) / count
    most = max(largest_difference(won, lost, count), by_rows)
    text = f"{text} ({won} won, {lost} lost)"
    margin = margin_of(old, part)
    return Check(name, new, old, most, -margin, greater_is_better=True, text=text)


def _volume(common: CommonRows, new: Verdicts, old: Verdicts, settings: PromotionSettings) -> Check:
    """Compare the factors by which events differ from what each version predicted."""
    normal = common.known < 0
    rows = common.rows.take(normal)
    span = days(covered(rows, common.timing, together=True))
    counts = [
        len(form_groups(rows, each.flagged[normal], common.timing.rules, common.timing.own)[0])
        for each in (new, old)
    ]
    return volume_check(
        "alert_volume_factor",
        counts,
        (new.predicted * span, old.predicted * span),
        settings,
        "observed events against predicted (factor)",
    )


def volume_check(
    name: str,
    counts: Sequence[int],
    expected: Sequence[float],
    settings: PromotionSettings,
    text: str,
) -> Check:
    """Compare observed with expected events, of the challenger and of the champion.

    What counts for the challenger is the factor to the nearest end of the interval of its count.
    """
    factor = [_factor(max(n, 0.5), e) for n, e in zip(counts, expected, strict=True)]
    low, high = count_interval(counts[0])
    least = min(max(low / max(expected[0], _TINY), expected[0] / high, 1.0), _LARGEST)
    limit = max(settings.volume, _NO_WORSE * factor[1])
    return Check(name, factor[0], factor[1], least, limit, greater_is_better=False, text=text)


def _factor(first: float, second: float) -> float:
    """Return by which factor two figures differ, at most _LARGEST."""
    first, second = max(first, _TINY), max(second, _TINY)
    return min(max(first / second, second / first), _LARGEST)


def _miscalibration(
    common: CommonRows, new: Verdicts, old: Verdicts, settings: PromotionSettings
) -> Check:
    """Compare the largest factors between the share of rows below a p-value and that p-value."""
    normal = common.known < 0
    levels = [each for each in _LEVELS if each * normal.sum() >= _LEAST_EXPECTED]
    text = "observed share of p-values against nominal (factor)"
    name = "p_value_factor"
    if not levels:
        return Check(name, 1.0, 1.0, 1.0, settings.calibration, greater_is_better=False, text=text)
    marked = np.stack([v.p_value[normal] <= level for v in (new, old) for level in levels])
    least = 1 / marked.shape[1]
    nominal = np.array(levels * 2)

    def factors(shares: Float64) -> Float64:
        ratio = np.maximum(shares, least) / nominal
        both = np.maximum(ratio, 1 / ratio).reshape(*ratio.shape[:-1], 2, len(levels))
        return np.asarray(both.max(axis=-1))

    point = factors(marked.mean(axis=1))
    replicate = factors(resampled_means(marked, seed=0))
    limit = max(settings.calibration, _NO_WORSE * float(point[1]))
    allowed = np.maximum(_NO_WORSE * replicate[:, 1], settings.calibration)
    beyond = least_value(replicate[:, 0] / allowed)
    return Check(
        name,
        float(point[0]),
        float(point[1]),
        beyond * limit,
        limit,
        greater_is_better=False,
        text=text,
    )
