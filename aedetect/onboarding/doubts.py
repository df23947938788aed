"""What a person should check before training, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from aedetect.onboarding.roles import FIRST_YEAR, LAST_YEAR
from aedetect.timestamps import length_text
from aedetect.wording import list_some, plural

if TYPE_CHECKING:
    from aedetect.onboarding.findings import Found
    from aedetect.onboarding.layout import Arrangement
    from aedetect.onboarding.places import Places
    from aedetect.onboarding.roles import Roles
    from aedetect.onboarding.sources import Sources

_NAMED = 5
_SHORT = timedelta(days=7)
_FEW = 2_000  # rows of an entity


def doubts_of(
    sources: Sources, arrangement: Arrangement, places: Places, roles: Roles, found: Found
) -> Iterator[str]:
    """Yield what was guessed without certainty, left out, or is thin."""
    if found.refused:
        yield f"training would refuse these data: {found.refused}"
    yield from _times(sources, found)
    yield from _entities(arrangement, roles)
    for state in roles.states:
        shares = list_some((f"{v} {s:.0%}" for v, s in state.shares), most=_NAMED)
        used = "rows in a fault are not trained on" if state.faulty else "all are trained on"
        yield f'"{state.name}" looks like an operating state ({shares}): {used}, see [data] normal'
    yield from _history(roles, found)
    for intervals in (*sources.labels, *sources.planned):
        what = "planned work ([events] maintenance)" if intervals.planned else "labelled anomalies"
        count = intervals.table.rows
        yield f"{intervals.table.file.name}: {count:,} interval{'s' * (count > 1)} of {what}"
    yield from (f"left out: {each.removesuffix(': leave it out')}" for each in sources.left_out)
    yield from places.remarks
    for timed in sources.tables:
        for column in timed.table.columns:
            if column.lost:
                yield (
                    f'{timed.table.file.name}: {plural(column.lost, "cell")} of "{column.name}" '
                    f'cannot be read as the others, such as "{column.example}": taken as missing'
                )
        lines = [remark for remark in timed.table.remarks if "line" in remark]
        yield from (f"{timed.table.file.name}: {remark}" for remark in lines)
        yield from (
            f"{timed.table.file.name}: {each}" for each in timed.table.remarks if "twice" in each
        )


def _times(sources: Sources, found: Found) -> Iterator[str]:
    first = sources.tables[0]
    yield from sources.doubts
    if first.others:
        yield f'"{first.name}" is the timestamp; "{first.others[0]}" could be it, too'
    if found.aware:
        yield "days and hours are those of UTC: name the zone of the plant in [data] timezone"
    if lost := sum(each.table.rows - each.rows for each in sources.tables):
        yield f"{plural(lost, 'row')} without a timestamp that can be read: left out"


def _entities(arrangement: Arrangement, roles: Roles) -> Iterator[str]:
    if arrangement.layout == "entities":
        yield f'{arrangement.why}; their names became the column "{roles.entity.value}"'
    elif arrangement.layout != "parts":
        yield f"{arrangement.why}; joined into one wide table"
    elif arrangement.why.startswith("left out"):
        yield arrangement.why
    if roles.entity.value is None and roles.entity.others:
        yield (
            f"no entity: {roles.entity.why}; if rows belong to several machines, name the column "
            f"in [data] entity ({list_some(roles.entity.others, most=_NAMED)}?)"
        )
    elif roles.entity.others:
        others = list_some(roles.entity.others, most=_NAMED)
        yield f'"{roles.entity.value}" is the entity; {others} could be it, too'


def _history(roles: Roles, found: Found) -> Iterator[str]:
    if roles.beyond:
        yield (
            f"{plural(roles.beyond, 'row')} with a time that is not of the years {FIRST_YEAR} to "
            f"{LAST_YEAR}, such as 9999: left out"
        )
    span = roles.last - roles.first
    each = roles.rows / max(roles.entities, 1)
    if span < _SHORT or each < _FEW:
        yield (
            f"a short history: {each:,.0f} rows of an entity, {_length(span)}; a promise needs "
            "weeks of normal operation"
        )
    if found.thin:
        yield f"too few rows to train on: {list_some(found.thin, most=_NAMED)}"


def _length(span: timedelta) -> str:
    days = span / timedelta(days=1)
    return f"{days:.1f} days" if days >= 1 else length_text(span.total_seconds())
