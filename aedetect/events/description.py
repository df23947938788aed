"""The one-line description of an event: "temp_bearing 92 degC, normally 61 to 70"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aedetect.data.schema import INCREASE
from aedetect.output.schemas import GIVEN_OTHERS, IS_FAR

MAX_FEATURES = 3  # features
NEW = "=(new)"  # at the end of a cause: a category that training lacked
_MIN_SHARE = 0.05  # of the score, for a feature to be mentioned
_BESIDE = 0.3  # of the largest share, for a feature to be mentioned that is inside its range
_BARELY = 0.05  # of the width of its range, by which a value is too little outside to be mentioned
_MAX_DIGITS = 6  # after the decimal point


def describe_event(
    causes: Sequence[Mapping[str, Any]] | None,
    outside: Sequence[Mapping[str, Any]] | None,
    units: Mapping[str, str],
    *,
    rule: str | None = None,
) -> str:
    """Describe the most unusual features and what is normal, from two columns of flagged/.

    Causes come with the most unusual one first. Features outside their limits are given with their
    normal range; beside them, those that are inside theirs are not mentioned. When all are inside,
    the row is anomalous only in combination, and they are given with their expected value, "given
    the others" where a value is usual in itself. What else is outside is counted. A row that only a
    later threshold flagged has no causes. The column rule that flagged a row comes first, with the
    numbers of its column behind it.
    """
    if causes is None:
        return "anomalous by its score; its causes were not computed"
    outside = outside or ()
    ranges = {each["feature"]: each for each in outside if each["low"] is not None}
    wanted = dict(each["feature"].split("=", 1) for each in outside if each["low"] is None)
    told = [each for each in causes if _is_told(each, ranges, wanted, rule)]
    if rule is None and all(each["observed"] is None for each in told):
        told = _inside(causes, ranges)
    shown, more = told[:MAX_FEATURES] or list(causes[:1]), len(told[MAX_FEATURES:])
    texts = [_describe_cause(each, ranges, wanted, units) for each in shown]
    if rule is not None and not shown[0]["feature"].endswith(NEW):
        is_inside = shown[0]["feature"] not in ranges
        texts = _after_rule(rule, shown[0], texts, is_inside=is_inside)
    return "; ".join(texts) + (f"; and {more} more column{'s' * (more > 1)}" if more else "")


def _inside(
    causes: Sequence[Mapping[str, Any]], ranges: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return what is told of a row in which nothing is clearly outside its range.

    The largest causes, but for small ones beside them, and values that read as what is expected.
    """
    least = max(_MIN_SHARE, causes[0]["share"] * _BESIDE)
    told = [
        each
        for each in causes[:MAX_FEATURES]
        if each["share"] >= (_MIN_SHARE if each["observed"] is None else least)
        and not _reads_as_expected(each, ranges.get(each["feature"]))
    ]
    return told or list(causes[:1])


def _reads_as_expected(cause: Mapping[str, Any], expected: Mapping[str, Any] | None) -> bool:
    """Whether a number is written as the one that is expected, or inside what is."""
    observed = cause["observed"]
    if observed is None or "=" in cause["feature"]:
        return False
    if expected is not None:
        return bool(expected["low"] <= observed <= expected["high"])
    return plain_number(observed) == plain_number(cause["expected"])


def _is_told(
    cause: Mapping[str, Any],
    ranges: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, str],
    rule: str | None,
) -> bool:
    """Whether a cause is large enough, and its value clearly outside what is normal."""
    feature, observed = cause["feature"], cause["observed"]
    name = feature.partition("=")[0]
    if rule is not None and rule.startswith(f"{name} "):
        return True
    if cause["share"] < _MIN_SHARE:
        return False
    if observed is None or name in wanted:
        return True
    if feature not in ranges:
        return False
    low, high = ranges[feature]["low"], ranges[feature]["high"]
    away = max(low - observed, observed - high)
    return bool(away > _BARELY * (high - low))


def _describe_cause(
    cause: Mapping[str, Any],
    ranges: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, str],
    units: Mapping[str, str],
) -> str:
    name, _, seen = cause["feature"].partition("=")
    if seen and (name in wanted or cause["observed"] == 1):
        return _category(name, seen, wanted.get(name))
    unit = units.get(cause["feature"].removesuffix(INCREASE))
    return _number(cause, ranges.get(cause["feature"]), unit)


def _after_rule(
    rule: str, first: Mapping[str, Any], texts: Sequence[str], *, is_inside: bool
) -> list[str]:
    """Put a rule before the causes, and the numbers of its own column in brackets behind it.

    A value that is far beyond all of the training may be what the rows before make expect: it is
    given alone.
    """
    own = f"{first['feature']} "
    if first["observed"] is None:
        return [rule, *texts[1:]]
    if not rule.startswith(own) or not texts[0].startswith(own):
        return [f"{rule}: {texts[0]}", *texts[1:]]
    numbers = texts[0].removeprefix(own)
    if rule.endswith(IS_FAR) and is_inside:
        numbers = numbers.partition(", ")[0]
    return [f"{rule} ({numbers})", *texts[1:]]


def _category(name: str, seen: str, expected: str | None) -> str:
    was = "a value never seen in training" if seen == "(new)" else seen
    rather = "which is unusual here" if expected is None else f"normally {expected}"
    return f"{name} was {was}, {rather}"


def _number(cause: Mapping[str, Any], expected: Mapping[str, Any] | None, unit: str | None) -> str:
    name, observed = cause["feature"], cause["observed"]
    if observed is None:
        return f"{name} missing"
    tail = f" {unit}" if unit else ""
    if _reads_as_expected(cause, expected):
        return f"{name} {plain_number(observed)}{tail}, unusual after the rows before"
    if expected is None:
        usual = plain_number(cause["expected"])
        others = f" {GIVEN_OTHERS}" if cause.get("unusual") == GIVEN_OTHERS else ""
        return f"{name} {plain_number(observed)}{tail}, normally about {usual}{others}"
    low, high = expected["low"], expected["high"]
    if low == high:
        return f"{name} {plain_number(observed)}{tail}, normally {plain_number(low)}"
    digits = _digits(observed, low, high)
    seen = _fixed(observed, max(digits, _decimals_for_two_digits(observed)))
    return f"{name} {seen}{tail}, normally {_fixed(low, digits)} to {_fixed(high, digits)}"


def plain_number(value: float) -> str:
    """Format a number with three significant digits, without an exponent unless far from 1.

    >>> plain_number(0.43219), plain_number(12345.6), plain_number(2e-9)
    ('0.432', '12,346', '2e-09')
    """
    if value and not 1e-4 <= abs(value) < 1e15:  # noqa: PLR2004 - more zeros are unreadable
        return f"{value:.3g}"
    return _fixed(value, 2 - math.floor(math.log10(abs(value)))) if value else "0"


def _decimals_for_two_digits(value: float) -> int:
    """Return the number of decimals that show two significant digits."""
    return 1 - math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0


def _digits(observed: float, low: float, high: float) -> int:
    """Return the number of decimals that show the range, and that the value is outside it."""
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return _MAX_DIGITS
    digits = _decimals_for_two_digits(width)
    while digits < _MAX_DIGITS and round(low, digits) <= round(observed, digits) <= round(
        high, digits
    ):
        digits += 1
    return min(digits, _MAX_DIGITS)


def _fixed(value: float, digits: int) -> str:
    """Format a number with a number of decimals, without trailing zeros."""
    if not math.isfinite(value) or (value and not 1e-6 <= abs(value) < 1e15):  # noqa: PLR2004
        return f"{value:.3g}"
    text = f"{value:,.{max(digits, 0)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text
