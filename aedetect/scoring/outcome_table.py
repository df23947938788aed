"""The outcome of the last days as text, as an alert, and as a column of runs/."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pyarrow as pa

from aedetect.scoring.outcome import LISTED, PeriodOutcome
from aedetect.wording import percent

NOT_KEPT = "promise not kept"
_BEGIN = "in the last"  # of every text
NO_LONGER = "no longer surely above the alert"
ENOUGH = 5.0  # rows flagged at the factor times the promise, for which rows must be enough
OUTCOME = pa.struct(
    {
        "period": pa.int64(),
        "days": pa.int64(),
        "entity": pa.string(),
        "together": pa.bool_(),
        "rows": pa.int64(),
        "flagged": pa.int64(),
        **dict.fromkeys(("share", "low", "high", "promise", "bound"), pa.float64()),
        "refused": pa.string(),
        **dict.fromkeys(
            ("events_a_day", "events_low", "events_high", "events_promise"), pa.float64()
        ),
        "newest": pa.float64(),
        "kept_since": pa.string(),
        "eased_since": pa.string(),
    }
)


def alerts_of_outcome(
    found: Iterable[PeriodOutcome],
    *,
    factor: float,
    but: Collection[str | None] = (),
    before: Collection[str] = (),
    renewed: bool = False,
) -> dict[str, str]:
    """Return alerts where a share or a number of events is surely off by more than a factor.

    One of all together, and one of each entity but some: name -> text. Where these alone are why
    all together are off, there is none of all: a fault of one is no reason to renew the thresholds.
    What the last days say is over is no alert, however bad the days before were, and none begins
    on a day that is better than they were: `before` are the texts of alerts that stand. `renewed`:
    the thresholds follow already.
    """
    alerts: dict[str, str] = {}
    listed = list(found)
    recent = {(each.together, each.entity): each for each in reversed(listed)}  # shortest period
    for each in listed:
        name = NOT_KEPT if each.together else f"{NOT_KEPT}: {each.entity}"
        last = recent[each.together, each.entity]
        told = _stands(each, before)
        why = _broken(each, factor, last=last, told=told, renewed=renewed)
        if why and each.together and _kept_without(each, listed, factor=factor, but=but):
            continue
        if why and name not in alerts and (each.together or each.entity not in but):
            alerts[name] = f"{describe_outcome(each)}: {why}"
    return alerts


def _kept_without(
    all_of_them: PeriodOutcome,
    found: Iterable[PeriodOutcome],
    *,
    factor: float,
    but: Collection[str | None],
) -> bool:
    """Whether the share of all is off, and that of the others is not."""
    own = [
        each
        for each in found
        if each.period == all_of_them.period and not each.together and each.entity in but
    ]
    rows = all_of_them.rows - sum(each.rows for each in own)
    flagged = all_of_them.flagged - sum(each.flagged for each in own)
    off = all_of_them.low is not None and all_of_them.low > factor * all_of_them.most
    return bool(own) and off and flagged <= factor * all_of_them.most * rows


def _stands(each: PeriodOutcome, before: Collection[str]) -> bool:
    """Whether texts of alerts tell of the same promise, of any period."""
    begin = _subject(each) + _BEGIN
    return any(text.startswith(begin) for text in before)


def _broken(
    each: PeriodOutcome, factor: float, *, last: PeriodOutcome, told: bool, renewed: bool
) -> str:
    """Say how a promise is surely broken, and still is; empty without the days or rows to know.

    `last` is the outcome of the shortest period: events of days before it alone are over. `told`:
    whether it was an alert of the run before.
    """
    if each.low is None or each.rows * each.most * factor < ENOUGH:
        return ""
    remedy = "train again" if renewed else "renew the calibration or train again"
    better = each.newest < max(factor * each.most, each.share)
    if each.low > factor * each.most and not each.eased_since and (told or not better):
        return (
            f"normal may have changed: look at the flagged rows, then {remedy}"
            if not each.refused
            else f"it could not be promised ({each.refused})"
        )
    low, foreseen = each.events_low, each.events_promise
    still = foreseen is not None and (last.events_a_day or 0) > foreseen
    if low is not None and foreseen is not None and low > factor * foreseen and still:
        return f"more events than foreseen: look at them, then {remedy}"
    return ""


def end_of_broken(
    found: Iterable[PeriodOutcome], entity: str | None, *, factor: float, judge: str
) -> str | None:
    """Say why an alert of a promise is over, of an entity, or of all together without one.

    `judge` is the version that scores. None for an entity that is not listed beside so many others
    that it may be above as well.
    """
    listed = list(found)
    together = [each for each in listed if each.together]
    own = [each for each in listed if not each.together and str(each.entity) == entity]
    known = together if entity is None else own
    who = "" if entity is None else f"{entity}: "
    if not known:
        listed_all = max((each.above for each in together), default=0) <= LISTED
        return f"{who}{NO_LONGER}, by {judge}" if listed_all else None
    kept = next((each.kept_since for each in known if each.kept_since), "")
    eased = next((each.eased_since for each in known if each.eased_since), "")
    if kept or eased:
        what = f"promise kept again since {kept}" if kept else f"below the alert since {eased}"
        last = f"{percent(known[0].newest)} of the rows of the last day were flagged"
        return f"{who}{what}: {last}, {_promised(known[0])}, by {judge}"
    off = any((each.low or 0.0) > factor * each.most for each in known)
    what = "what is left of it is of entities with alerts of their own" if off else NO_LONGER
    text = _described(known[0]).removeprefix(_subject(known[0]))
    return f"{who}{what}: {text}, by {judge}"


def describe_others(each: PeriodOutcome) -> str:
    """Say how many entities are not listed beside all together; empty when all are."""
    if not each.others:
        return ""
    return (
        f"{each.others:,} more entities are not listed for the last {each.period} days; "
        f"{each.above:,} of all are surely above their promise"
    )


def _promised(each: PeriodOutcome) -> str:
    """Say what was promised, as far as the evidence went."""
    if each.refused:
        return f"no promise ({percent(each.promise)} aimed at)"
    if each.most > each.promise * (1 + 1e-9):
        return f"at most {percent(each.most)} promised ({percent(each.promise)} aimed at)"
    return f"at most {percent(each.promise)} promised"


def describe_outcome(each: PeriodOutcome) -> str:
    """Return the outcome in one line."""
    text = _described(each)
    if each.kept_since:
        return f"{text}; kept again since {each.kept_since}"
    return f"{text}; below the alert since {each.eased_since}" if each.eased_since else text


def _subject(each: PeriodOutcome) -> str:
    return "" if each.together else f"{each.entity or 'rows without an entity'}: "


def _described(each: PeriodOutcome) -> str:
    between = (
        ""
        if each.low is None or each.high is None
        else f" ({percent(each.low)} to {percent(each.high)})"
    )
    text = (
        f"{_subject(each)}{_BEGIN} {each.period} days {percent(each.share)}{between} of "
        f"{each.rows:,} rows were flagged, {_promised(each)}"
    )
    if each.events_a_day is None:
        return text
    text = (
        f"{text}; {each.events_a_day:.2g} ({each.events_low:.2g} to {each.events_high:.2g}) events "
        "a day"
    )
    if each.events_promise is None:
        return text
    return f"{text}, at most {each.events_promise:.2g} foreseen"
