"""What has shifted, in words, with the columns that moved most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.drift.episodes import SCORES
from aedetect.drift.judgement import LEAST
from aedetect.wording import list_some

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.arrays import Float64
    from aedetect.drift.daily_table import Block
    from aedetect.drift.episodes import JudgedDays, Moved

_MOST = 0.5  # share of the entities from which on it is a shift of the world
_NAMED = 3
_NEAR = 0.25  # of its limit: a column that is named beside others


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
    far: float | None  # the same in units of its limit, both as logarithms
    distributions: tuple[dict[str, Any], ...]  # of the columns: edges, training and now
    who: str
    text: str


def describe_shifts(judged: JudgedDays, blocks: Sequence[Block]) -> list[Shift]:
    """Join what belongs to one entity; what began in most of them together is of the world."""
    recent = judged.over is not None and judged.over >= len(blocks) - 2
    block = blocks[judged.over] if recent and judged.over is not None else blocks[-1]
    cells = judged.cells if recent and judged.cells is not None else block.sums()[1]
    groups, world = _groups(judged)
    places = cells.groupby("entity").indices
    ratio = np.nan_to_num((cells["psi"] / cells["psi_limit"]).to_numpy(dtype=float))
    ranked = [
        _ranked(cells, ratio, None if world and not at else places.get(group[0].entity, _NONE))
        for at, group in enumerate(groups)
    ]
    named = [_columns(group, own) for group, own in zip(groups, ranked, strict=True)]
    chosen = [
        own[own["column"].isin(columns)].drop_duplicates("column")
        for own, columns in zip(ranked, named, strict=True)
    ]
    shown = _distributions(block, chosen)
    levels = dict(zip(judged.scores["entity"], _levels(judged.scores), strict=True))
    shifts = [
        _shift(group, columns, own, blocks, levels, world=world and not at)
        for at, (group, columns, own) in enumerate(zip(groups, named, shown, strict=True))
    ]
    alone = shifts[1:] if world else shifts
    alone.sort(key=lambda each: (-(each.times or 0), each.since, each.entity or ""))
    return [*(shifts[:1] if world else []), *alone]


def _groups(judged: JudgedDays) -> tuple[list[list[Moved]], bool]:
    """Return what is one shift each, and whether the first is of the world."""
    together = _together(judged.moved)
    if len(together) < max(_MOST * judged.scores["entity"].nunique(), 2):
        return [[each] for each in judged.moved], False
    rest = [[each] for each in judged.moved if each not in together]
    return [together, *rest], True


def _together(moved: Sequence[Moved]) -> list[Moved]:
    """Return the most entities whose shifts began on the same day or the next."""
    groups = [
        [each for each in moved if first <= each.since <= first + 1]
        for first in sorted({each.since for each in moved})
    ]
    return max(groups, key=len, default=[])


_NONE = np.zeros(0, dtype=np.int64)
_UNKNOWN = (np.nan, np.nan)


def _ranked(cells: pd.DataFrame, ratio: Float64, places: Any) -> pd.DataFrame:
    """Return columns of an entity, or of all (None), the most moved first."""
    own = cells.assign(ratio=ratio) if places is None else cells.iloc[places].assign(
        ratio=ratio[places]
    )  # fmt: skip
    return own.sort_values("ratio", ascending=False, kind="stable")


def _columns(group: Sequence[Moved], ranked: pd.DataFrame) -> tuple[str, ...]:
    lost = [column for each in group for column in each.lost]
    likely = [*lost, *ranked.loc[ranked["ratio"] > _NEAR, "column"]]
    return tuple(dict.fromkeys(likely))[:_NAMED]


def _levels(scores: pd.DataFrame) -> list[tuple[float, float]]:
    """Return the mean score of each entity against the held-out one: times, and in limits."""
    level = (scores["log_score"] - scores["usual_log_score"]).to_numpy(dtype=float)
    limit = np.maximum(scores["score_limit"].to_numpy(dtype=float), LEAST)
    with np.errstate(over="ignore"):
        return list(zip(np.exp(level).tolist(), (level / limit).tolist(), strict=True))


def _distributions(
    block: Block, chosen: Sequence[pd.DataFrame]
) -> Iterator[tuple[dict[str, Any], ...]]:
    """Yield the distributions of the columns of each shift, which are read together."""
    added = block.distributions({name for own in chosen for name in own["entity"]})
    table = added.table()
    place = {key: at for at, key in enumerate(zip(table["entity"], table["column"], strict=True))}
    for own in chosen:
        yield tuple(
            {
                "column": row["column"],
                "entity": row["entity"] or None,
                "edges": added.edges[at := place[row["entity"], row["column"]]],
                "psi": float(row["psi"]),
                "limit": float(row["psi_limit"]),
                "training": added.usual[at].tolist(),
                "now": added.counts[at].tolist(),
            }
            for row in own.to_dict("records")
        )


def _shift(
    group: Sequence[Moved], columns: tuple[str, ...], distributions: tuple[dict[str, Any], ...],
    blocks: Sequence[Block], levels: Mapping[str, tuple[float, float]], *, world: bool,
) -> Shift:  # fmt: skip
    """Describe one shift."""
    known = [levels[each.entity] for each in group if SCORES in each.kinds]
    known = [each for each in known if np.isfinite(each[0])]
    kinds = tuple(dict.fromkeys(kind for each in group for kind in each.kinds))
    name = None if world else group[0].entity or None
    who = f"{len(group)} entities together" if world else name or "the table"
    since = blocks[min(each.since for each in group)].day
    mean, far = np.median(known, axis=0).tolist() if known else (None, None)
    usual = levels.get(group[0].entity, _UNKNOWN)[0] if not (known or world) else None
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
        distributions=distributions,
        who=who,
        text=f"{who}: {_told(mean, since, kinds, columns)} {_meaning(usual, world=world)}",
    )


def _told(times: float | None, since: str, kinds: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """Say how far it has shifted and since when, and which columns most."""
    mostly = f", mostly {list_some(columns, most=_NAMED)}" if columns else ""
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
