"""The one-line description of an event: "disk_w 3.1 MB/s, expected 0.2 to 0.6"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aedetect.data.schema import INCREASE
from aedetect.output.schemas import GIVEN_OTHERS

MAX_FEATURES = 3  # features
NEW = "=(new)"  # at the end of a cause: a category that training lacked
_MIN_SHARE = 0.05  # of the score, for a feature to be mentioned
_MIN_SHARE_INSIDE = 0.2  # the same beside one outside its limits, for one that is inside its own
_MAX_DIGITS = 6  # after the decimal point


def describe_event(
    causes: Sequence[Mapping[str, Any]] | None,
    outside: Sequence[Mapping[str, Any]] | None,
    units: Mapping[str, str],
    *,
    rule: str | None = None,
) -> str:
    """Describe the largest causes and the expected values, from two columns of flagged/.

    A feature outside its limits is given with its expected range, a feature inside them only with a
    larger share, when there are others. A feature inside its limits is
    anomalous only in combination with others, and given with its expected value, "given the
    others" where its value is usual in itself. A row that only a
    later threshold flagged has no causes. The column rule that flagged a row comes first, unless
    the cause repeats it.
    """
    if causes is None:
        return "anomalous by its score; its causes were not computed"
    outside = outside or ()
    ranges = {each["feature"]: each for each in outside if each["low"] is not None}
    wanted = dict(each["feature"].split("=", 1) for each in outside if each["low"] is None)
    beyond = {*ranges, *wanted}
    shown = [each for each in causes[:MAX_FEATURES] if _is_told(each, beyond)] or list(causes[:1])
    parts = []
    for cause in shown:
        name, _, seen = cause["feature"].partition("=")
        if seen and (name in wanted or cause["observed"] == 1):
            parts.append(_category(name, seen, wanted.get(name)))
        else:
            unit = units.get(cause["feature"].removesuffix(INCREASE))
            parts.append(_number(cause, ranges.get(cause["feature"]), unit))
    if rule is not None and shown[0]["observed"] is None:
        return rule
    text = "; ".join(parts)
    return text if rule is None or shown[0]["feature"].endswith(NEW) else f"{rule}: {text}"


def _is_told(cause: Mapping[str, Any], beyond: set[str]) -> bool:
    """Whether a cause is large enough to be mentioned beside features outside their limits."""
    inside = cause["feature"].partition("=")[0] not in beyond
    return bool(cause["share"] >= (_MIN_SHARE_INSIDE if beyond and inside else _MIN_SHARE))


def _category(name: str, seen: str, expected: str | None) -> str:
    was = "a value never seen in training" if seen == "(new)" else seen
    rather = "which is unusual here" if expected is None else f"expected {expected}"
    return f"{name} was {was}, {rather}"


def _number(cause: Mapping[str, Any], expected: Mapping[str, Any] | None, unit: str | None) -> str:
    name, observed = cause["feature"], cause["observed"]
    if observed is None:
        return f"{name} missing"
    tail = f" {unit}" if unit else ""
    if expected is None:
        expected_text = plain_number(cause["expected"])
        others = f" {GIVEN_OTHERS}" if cause.get("unusual") == GIVEN_OTHERS else ""
        return f"{name} {plain_number(observed)}{tail}, expected about {expected_text}{others}"
    low, high = expected["low"], expected["high"]
    if low == high:
        return f"{name} {plain_number(observed)}{tail}, expected {plain_number(low)}"
    digits = _digits(observed, low, high)
    seen = _fixed(observed, max(digits, _decimals_for_two_digits(observed)))
    return f"{name} {seen}{tail}, expected {_fixed(low, digits)} to {_fixed(high, digits)}"


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
