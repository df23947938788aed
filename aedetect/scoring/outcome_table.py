"""The outcome of the last days as text, as an alert, and as a column of runs/."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from aedetect.scoring.outcome import PeriodOutcome

OUTCOME = pa.struct(
    {
        "period": pa.int64(),
        "days": pa.int64(),
        "entity": pa.string(),
        "together": pa.bool_(),
        "rows": pa.int64(),
        "flagged": pa.int64(),
        **dict.fromkeys(("share", "low", "high", "promise"), pa.float64()),
        **dict.fromkeys(
            ("events_a_day", "events_low", "events_high", "events_promise"), pa.float64()
        ),
    }
)


def alerts_of_outcome(found: Iterable[PeriodOutcome], *, factor: float) -> dict[str, str]:
    """Return an alert when a share or a number of events is surely off by more than a factor."""
    for each in found:
        if not each.together:
            continue
        if each.low is not None and each.low > factor * each.promise:
            return {"promise not kept": f"{describe_outcome(each)}: normal may have changed: "
                    "look at the flagged rows, then renew the calibration or train"}  # fmt: skip
        low, most = each.events_low, each.events_promise
        if each.low is not None and low is not None and most is not None and low > factor * most:
            return {"promise not kept": f"{describe_outcome(each)}: more events than foreseen: "
                    "look at them, then renew the calibration or train again"}  # fmt: skip
    return {}


def describe_outcome(each: PeriodOutcome) -> str:
    """Return the outcome in one line."""
    between = "" if each.low is None else f" ({each.low:.3%} to {each.high:.3%})"
    text = (
        f"in the last {each.period} days {each.share:.3%}{between} of {each.rows:,} rows were "
        f"flagged, at most {each.promise:.3%} promised"
    )
    if each.events_a_day is None:
        return f"{each.entity}: {text}"
    return (
        f"{text}; {each.events_a_day:.2g} ({each.events_low:.2g} to {each.events_high:.2g}) events "
        f"a day, at most {each.events_promise:.2g} foreseen"
    )
