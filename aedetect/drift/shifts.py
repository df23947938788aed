"""Sums of partitions -> what has shifted, since when, and whether in one entity or in all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aedetect.drift.daily_table import Block, read_blocks
from aedetect.drift.description import Shift, describe_shifts
from aedetect.drift.episodes import judge
from aedetect.output.partitions import Span
from aedetect.wall_clock import WallClock
from aedetect.wording import list_some

_EVERYTHING, _UTC = Span(), WallClock()
_NAMED = 3
SLOW_FAULT = "slow fault"
_ALERTS = 50  # of entities, by name
FAULT = 2.0  # times its limit: of an entity alone, from which on someone has to look


def find_shifts(output: Path, *, span: Span = _EVERYTHING, clock: WallClock = _UTC) -> list[Shift]:
    """Return what had shifted on the last day of a span that was scored, by importance."""
    return shifts_of(read_blocks(output, span=span, clock=clock))


def last_blocks(output: Path) -> list[Block]:
    """Return the days by which a run judges."""
    return read_blocks(output, span=_EVERYTHING, clock=_UTC)


def shifts_of(blocks: Sequence[Block]) -> list[Shift]:
    """Return what had shifted on the last of some days, which `read_blocks` returned."""
    if not blocks:
        return []
    judged = judge(blocks)
    return describe_shifts(judged, blocks) if judged.moved else []


def faults_of(shifts: Sequence[Shift]) -> list[Shift]:
    """Return those of entities alone that are slow faults, the earliest first."""
    found = [each for each in shifts if each.entity is not None and (each.far or 0) >= FAULT]
    return sorted(found, key=lambda each: (each.since, each.entity or ""))


def fault_alerts(shifts: Sequence[Shift]) -> dict[str, str]:
    """Return an alert for each entity that was far from its level while most others were not.

    It stands as long as the shift does. Of very many those that shifted first are named, so that it
    is the same ones day after day.
    """
    found = faults_of(shifts)
    alerts = {
        f"{SLOW_FAULT}: {each.entity}": f"{each.text}; most other entities have not shifted"
        for each in found[:_ALERTS]
    }
    if len(found) > _ALERTS:
        others = f"{len(found) - _ALERTS:,} more entities have shifted alone, as in a slow fault"
        alerts[f"{SLOW_FAULT}s of many"] = f"{others}: aedetect drift CONFIG"
    return alerts


def shift_warnings(shifts: Sequence[Shift], *, since: str) -> tuple[str, ...]:
    """Return the warnings of a run whose first day is `since`: what it named first, by importance.

    What was named before is told in one line.
    """
    new = [each for each in shifts if each.named >= since]
    shown = [each.text for each in new[:_NAMED]]
    if len(new) > _NAMED:
        shown.append(f"{len(new) - _NAMED} more entities have shifted: aedetect drift CONFIG")
    if still := [each.who for each in shifts if each.named < since]:
        shown.append(f"still shifted, as named before: {list_some(still, most=_NAMED)}")
    return tuple(shown)
