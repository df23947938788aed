"""What has shifted, in words, with the columns that moved most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.drift.episodes import SCORES
from aedetect.drift.ranking import NAMED, Ranking, distributions
from aedetect.wording import list_some

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.drift.daily_table import Block
    from aedetect.drift.episodes import JudgedDays, Moved

_MOST = 0.5  # share of the entities from which on it is a shift of the world
_DETAILED = 1_000  # shifts with distributions


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What has shifted: an entity, or all of them (entity None and world True)."""

    entity: str | None
    world: bool
    entities: int  # that shifted
    since: str  # the first day, as the output names it
    named: str  # when it was named first, or when its scores followed its columns
    until: str  # the last day on which it stood
    kind: str  # scores, distribution, missing, unseen
    columns: tuple[str, ...]  # the most moved first
    times: float | None  # mean score against that of the held-out rows
    far: float | None  # the largest since then in units of its limit, both as logarithms
    distributions: tuple[dict[str, Any], ...]  # of the columns: edges, training and now
    who: str
    text: str


def describe_shifts(judged: JudgedDays, blocks: Sequence[Block]) -> list[Shift]:
    """Join what belongs to one entity; what began in most of them together is of the world.

    The distributions of the first thousand alone are read.
    """
    recent = judged.over is not None and judged.over >= len(blocks) - 2
    block = blocks[judged.over] if recent and judged.over is not None else blocks[-1]
    cells = judged.cells if recent and judged.cells is not None else block.sums()[1]
    groups, world = _groups(judged)
    levels = _levels(judged.scores)
    ranking, listed = Ranking(cells), []
    for at, group in enumerate(groups):
        rows = ranking.of(None if world and not at else group[0].entity)
        columns = ranking.columns(rows, [name for each in group for name in each.lost])
        shift = _shift(group, columns, blocks, levels, world=world and not at)
        listed.append((shift, rows))
    listed.sort(key=lambda each: _importance(each[0]))
    chosen = [ranking.cells(rows, shift.columns) for shift, rows in listed[:_DETAILED]]
    shown = distributions(block, chosen)
    return [replace(shift, distributions=next(shown, ())) for shift, _ in listed]


def _importance(shift: Shift) -> tuple[bool, float, str, str]:
    """Return by what shifts are ordered: that of the world, then those whose scores rose most."""
    return not shift.world, -(shift.times or 0), shift.since, shift.entity or ""


def _groups(judged: JudgedDays) -> tuple[list[list[Moved]], bool]:
    """Return what is one shift each, and whether the first is of the world.

    Of the world is what began in most entities on the same day or the next.
    """
    begun = Counter(each.since for each in judged.moved)
    first = max(sorted(begun), key=lambda day: begun[day] + begun[day + 1])
    if begun[first] + begun[first + 1] < max(_MOST * judged.scores["entity"].nunique(), 2):
        return [[each] for each in judged.moved], False
    together = [each for each in judged.moved if first <= each.since <= first + 1]
    rest = [[each] for each in judged.moved if not first <= each.since <= first + 1]
    return [together, *rest], True


def _levels(scores: pd.DataFrame) -> dict[str, float]:
    """Return how many times the held-out score the mean score of each entity is."""
    with np.errstate(over="ignore"):
        times = np.exp((scores["log_score"] - scores["usual_log_score"]).to_numpy(dtype=float))
    return dict(zip(scores["entity"], times.tolist(), strict=True))


def _shift(
    group: Sequence[Moved], columns: tuple[str, ...], blocks: Sequence[Block],
    levels: Mapping[str, float], *, world: bool,
) -> Shift:  # fmt: skip
    """Describe one shift, without its distributions."""
    known = [
        (levels[each.entity], each.far)
        for each in group
        if SCORES in each.kinds and np.isfinite(levels[each.entity])
    ]
    kinds = tuple(dict.fromkeys(kind for each in group for kind in each.kinds))
    name = None if world else group[0].entity or None
    who = f"{len(group)} entities together" if world else name or "the table"
    since = blocks[min(each.since for each in group)].day
    mean, far = np.median(known, axis=0).tolist() if known else (None, None)
    usual = levels.get(group[0].entity, np.nan) if not (known or world) else None
    return Shift(
        entity=name,
        world=world,
        entities=len(group),
        since=since,
        named=blocks[max(each.named for each in group)].until,
        until=blocks[-1].until,
        kind=", ".join(kinds),
        columns=columns,
        times=mean,
        far=far,
        distributions=(),
        who=who,
        text=f"{who}: {_told(mean, since, kinds, columns)} {_meaning(usual, world=world)}",
    )


def _told(times: float | None, since: str, kinds: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """Say how far it has shifted and since when, and which columns most."""
    mostly = f", mostly {list_some(columns, most=NAMED)}" if columns else ""
    what = f"score {times:.2g} times its calibration" if times is not None else list_some(
        kinds, most=4
    )  # fmt: skip
    return f"shift, {what} since {since}{mostly}"


def _meaning(usual: float | None, *, world: bool) -> str:
    if world:
        return "(train again if this is the new normal)"
    if usual is not None and np.isfinite(usual):
        return f"(its scores are {usual:.2g} times the usual: a new normal, or a sensor)"
    return "(a slow fault, or a new normal)"
