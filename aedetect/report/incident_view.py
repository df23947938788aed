"""Events that began together as one item of a page, with its members inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aedetect.report.wording import clip, minutes, span_text
from aedetect.timestamps import to_nanoseconds
from aedetect.wording import list_some

if TYPE_CHECKING:
    import pyarrow as pa

    from aedetect.wall_clock import WallClock

_MAX_NAMED = 4  # entities of an incident that are named in its summary
_MAX_OTHERS = 50  # of those without a card
_MAX_NAME = 80  # characters


@dataclass(frozen=True, kw_only=True)
class _Incident:
    """All reported events of a page that began together, the most anomalous first."""

    entities: Mapping[str, str]  # by event id
    first: int  # ns
    last: int  # ns


def group_cards(
    views: Sequence[dict[str, Any]], reported: pa.Table, clock: WallClock
) -> list[dict[str, Any]]:
    """Return the items of a page: an event, or an incident with its members.

    `views` are the shown events and `reported` all events, both the most anomalous first. An
    incident is where its worst member is. An event whose company is too weak to be shown is itself.
    """
    incidents = _incidents(reported)
    incident_of = {name: each for each in incidents for name in each.entities}
    items: dict[str, dict[str, Any]] = {}
    for view in views:
        own = incident_of.get(view["id"])
        worst = view["id"] if own is None else next(iter(own.entities))
        if worst in items:
            items[worst]["events"].append(view)
        else:
            several = own is not None and len(own.entities) > 1
            items[worst] = {"events": [view], "together": own if several else None}
    for item in items.values():
        if item["together"] is not None:
            described = _described(item["together"], item["events"], clock)
            is_alone = len(item["events"]) == 1
            item["together"] = None if is_alone else described
            item["events"] = [each | {"beside": described["others"]} for each in item["events"]]
    return list(items.values())


def _incidents(reported: pa.Table) -> Iterator[_Incident]:
    columns = [reported[n].to_pylist() for n in ("event_id", "incident_id", "entity")]
    times = [to_nanoseconds(reported[n]).to_pylist() for n in ("start", "end")]
    members: dict[str, list[int]] = {}
    for row, (event, incident) in enumerate(zip(*columns[:2], strict=True)):
        members.setdefault(incident or event, []).append(row)
    for rows in members.values():
        yield _Incident(
            entities={columns[0][row]: columns[2][row] or "all rows" for row in rows},
            first=min(times[0][row] for row in rows),
            last=max(times[1][row] for row in rows),
        )


def _described(
    incident: _Incident, shown: Sequence[Mapping[str, Any]], clock: WallClock
) -> dict[str, Any]:
    """Return the texts of an incident."""
    names = [_apart(each) for each in dict.fromkeys(incident.entities.values())]
    shown_ids = {view["id"] for view in shown}
    left = [name for event, name in incident.entities.items() if event not in shown_ids]
    others = [_apart(each) for each in left]
    count = len(incident.entities)
    return {
        "whose": f"{len(names):,} entities"
        if len(names) > 1
        else f"{count:,} events of {names[0]}",
        "named": list_some(names, most=_MAX_NAMED),
        "begin": minutes(clock.format(incident.first)),
        "duration": span_text(incident.last - incident.first),
        "count": count,
        "others": list_some(others, most=_MAX_OTHERS),
    }


def _apart(name: str) -> str:
    """Return a name in a list: one that is written from right to left does not turn the rest."""
    short = clip(name, most=_MAX_NAME)
    return (
        short if short.isascii() else f"\N{FIRST STRONG ISOLATE}{short}\N{POP DIRECTIONAL ISOLATE}"
    )
