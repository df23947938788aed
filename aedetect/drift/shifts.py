"""Sums of partitions -> what has shifted, since when, and whether in one entity or in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.drift.daily_table import read_days
from aedetect.drift.judgement import shifted_columns, shifted_scores
from aedetect.drift.partition_sums import ALL
from aedetect.output.partitions import Span
from aedetect.wall_clock import WallClock
from aedetect.wording import list_some

if TYPE_CHECKING:
    import pandas as pd

_EVERYTHING, _UTC = Span(), WallClock()
_MOST = 0.5  # share of the entities from which on it is a shift of the world
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What has shifted: an entity, or all of them (entity None and world True)."""

    entity: str | None
    world: bool
    entities: int  # that shifted
    since: str  # the first day, as the output names it
    until: str  # the last day on which it stood
    kind: str  # scores, distribution, missing, unseen
    columns: tuple[str, ...]  # the most moved first
    times: float | None  # mean score against that of the held-out rows
    distributions: tuple[dict[str, Any], ...]  # of the columns: edges, training and now
    text: str


def find_shifts(output: Path, *, span: Span = _EVERYTHING, clock: WallClock = _UTC) -> list[Shift]:
    """Return what had shifted on the last day of a span that was scored, by importance."""
    return shifts_of(*read_days(output, span=span, clock=clock))


def shifts_of(table: pd.DataFrame, days: list[str]) -> list[Shift]:
    """Return what had shifted on the last of some days, which `read_days` returned."""
    if not days:
        return []
    own = table[table["scope"] != ALL]
    scores = own[own["column"].isna()]
    over = scores.loc[scores["rows"] >= scores["whole_day"], "day"].max()
    judged = shifted_scores(scores, days)
    if over in days:  # part of a daily cycle is no distribution of a day
        until = days[: days.index(over) + 1]
        judged += shifted_columns(own[own["column"].notna() & (own["day"] <= over)], until)
    shown = over if over in days[-2:] else days[-1]
    return _described(judged, own[own["day"] == shown], days, str(table["until"].max()))


def shift_warnings(shifts: Sequence[Shift]) -> tuple[str, ...]:
    """Return the warnings of a run: one for each entity that shifted alone, one for the world."""
    shown = [each.text for each in shifts[:_NAMED]]
    if len(shifts) > _NAMED:
        shown.append(f"{len(shifts) - _NAMED} more entities have shifted: aedetect drift")
    return tuple(shown)


def _described(
    judged: list[dict[str, Any]], own: pd.DataFrame, days: list[str], until: str
) -> list[Shift]:
    """Join what belongs to one entity; what began in most of them together is of the world."""
    moved: dict[str | None, list[dict[str, Any]]] = {}
    for each in judged:
        moved.setdefault(each["entity"], []).append(each)
    together = _together(moved, days)
    shifts = []
    if len(together) >= max(_MOST * own["entity"].nunique(dropna=False), 2):
        group = [each for name in together for each in moved.pop(name)]
        shifts = [_shift(group, own, until, entity=None, entities=len(together))]
    alone = [_shift(group, own, until, entity=name, entities=0) for name, group in moved.items()]
    alone.sort(key=lambda each: (-(each.times or 0), each.since, each.entity or ""))
    return shifts + alone


def _together(moved: dict[str | None, list[dict[str, Any]]], days: list[str]) -> list[str | None]:
    """Return the most entities whose shifts began on the same day or the next."""
    begun = {
        name: days.index(min(each["since"] for each in group)) for name, group in moved.items()
    }
    groups = [
        [name for name, other in begun.items() if first <= other <= first + 1]
        for first in sorted(set(begun.values()))
    ]
    return max(groups, key=len, default=[])


def _shift(
    group: list[dict[str, Any]], own: pd.DataFrame, until: str, *,
    entity: str | None, entities: int,
) -> Shift:  # fmt: skip
    """Describe one shift, with the columns that moved most on the last day."""
    columns = own[own["column"].notna()]
    if not entities:
        name = columns["entity"]
        columns = columns[name.isna() if entity is None else name == entity]
    ratio = np.nan_to_num((columns["psi"] / columns["psi_limit"]).to_numpy(dtype=float))
    ranked = columns.assign(ratio=ratio).sort_values("ratio", ascending=False, kind="stable")
    other = [each["column"] for each in group if each["kind"] in {"missing", "unseen"}]
    likely = [*other, *ranked.loc[ranked["ratio"] > _MOST, "column"]]
    named = tuple(dict.fromkeys(likely))[:_NAMED]
    since = min(each["since"] for each in group)
    known = [each["times"] for each in group if each["times"] is not None]
    times = float(np.median(known)) if known else None
    kinds = tuple(dict.fromkeys(each["kind"] for each in group))
    chosen = ranked[ranked["column"].isin(named)].drop_duplicates("column")
    return Shift(
        entity=entity,
        world=entities > 0,
        entities=entities or 1,
        since=since,
        until=until,
        kind=", ".join(kinds),
        columns=named,
        times=times,
        distributions=tuple(_distribution(row) for row in chosen.to_dict("records")),
        text=_text(entity, times, since, kinds, named, entities),
    )


def _distribution(row: Mapping[Any, Any]) -> dict[str, Any]:
    edges = None if row["edges"] is None else [float(each) for each in row["edges"]]
    lists = {"training": row["usual"], "now": row["counts"]}
    return {
        "column": row["column"], "entity": row["entity"], "edges": edges,
        "psi": float(row["psi"]), "limit": float(row["psi_limit"]),
    } | {name: [int(each) for each in counts] for name, counts in lists.items()}  # fmt: skip


def _text(
    entity: str | None, times: float | None, since: str, kinds: tuple[str, ...],
    named: tuple[str, ...], entities: int,
) -> str:  # fmt: skip
    """Say who has shifted, how far and since when, and which columns most."""
    who = f"{entities} entities together" if entities else entity or "the table"
    mostly = f", mostly {list_some(named, most=_NAMED)}" if named else ""
    what = f"score {times:.2g} times its calibration" if times is not None else list_some(
        kinds, most=4
    )  # fmt: skip
    remedy = (
        "train again if this is the new normal" if entities else "a slow fault, or a new normal"
    )
    return f"{who}: shift, {what} since {since}{mostly} ({remedy})"
