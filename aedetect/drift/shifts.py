"""Sums of partitions -> what has shifted, since when, and whether in one entity or in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aedetect.drift.betting import EVIDENCE, log_evidence
from aedetect.drift.partition_sums import ALL, DRIFT
from aedetect.drift.profile import MIN_ROWS
from aedetect.output.catalog import list_files
from aedetect.output.partitions import Span
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.arrays import Bool

_DAYS = 2  # in a row that a column has to stand beyond its limit
_MOST = 0.5  # share of the entities from which on it is a shift of the world
_UNSEEN = 0.01  # share of unknown categories
_NAMED = 3
_TIMES = 1.5  # mean score against the held-out one: less is evidence of nothing worth a person
_HISTORY = 92  # days that are read
_KEY = ["day", "scope", "entity", "column"]
_SUMMED = ["rows", "missing", "unseen", "bets", "log_p"]


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


def find_shifts(output: Path, *, span: Span | None = None) -> list[Shift]:
    """Return what had shifted on the last day of a span that was scored, by importance."""
    files = list_files(output, DRIFT, span=span or Span())
    days = sorted({str(file.partition)[:10] for file in files})[-_HISTORY:]
    read = [
        file.read().to_pandas().assign(day=str(file.partition)[:10])
        for file in files
        if str(file.partition)[:10] in days
    ]
    if not read:
        return []
    table = _by_day(pd.concat(read, ignore_index=True))
    own = table[table["scope"] != ALL]
    judged = [
        *_shifted_scores(own[own["column"].isna()], days),
        *_shifted_columns(own[own["column"].notna()], days),
    ]
    count = own["entity"].nunique(dropna=False)
    return _described(judged, own, count, days)


def shift_alerts(shifts: Sequence[Shift]) -> dict[str, str]:
    """Return the alerts of a run: one for each entity that shifted alone, one for the world."""
    shown = {f"drift {index}": each.text for index, each in enumerate(shifts[:_NAMED], start=1)}
    if len(shifts) > _NAMED:
        shown["drift"] = f"{len(shifts) - _NAMED} more entities have shifted: aedetect drift"
    return shown


def _by_day(table: pd.DataFrame) -> pd.DataFrame:
    """Add up the hours of a day; a day that is one partition stays as it is."""
    if not table.duplicated(_KEY).any():
        return table
    weight = table["rows"].where(table["column"].isna(), 1)
    table = table.assign(log_score=table["log_score"] * weight, weight=weight)
    grouped = table.groupby(_KEY, dropna=False, sort=False)
    first = grouped.first()
    first[_SUMMED] = grouped[_SUMMED].sum()
    first["log_score"] = grouped["log_score"].sum() / grouped["weight"].sum()
    first["counts"] = grouped["counts"].agg(_added)
    first = first.reset_index()
    return first.assign(psi=_indices(first))


def _added(lists: pd.Series[Any]) -> Any:
    """Add up lists of counts; None for the rows of entities."""
    there = lists.dropna()
    return np.sum(np.stack(list(there)), axis=0) if len(there) else None


def _indices(table: pd.DataFrame) -> Any:
    from aedetect.drift.binning import stability_index

    there = table["counts"].notna().to_numpy()
    index = np.full(len(table), np.nan)
    if there.any():
        now, usual = (np.stack(list(table.loc[there, name])) for name in ("counts", "usual"))
        index[there] = stability_index(now, usual.astype(float))
    return index


def _shifted_scores(table: pd.DataFrame, days: list[str]) -> list[dict[str, Any]]:
    """Return entities whose p-values are too small, with the first day of that."""
    table = table.assign(name=table["entity"].fillna(""))
    bets, logs = (
        table.pivot_table(index="day", columns="name", values=each, aggfunc="sum")
        .reindex(days)
        .fillna(0)
        for each in ("bets", "log_p")
    )
    evidence = log_evidence(bets.to_numpy().astype(np.int64), logs.to_numpy())
    mean = table.pivot_table(index="day", columns="name", values="log_score").reindex(
        index=days, columns=bets.columns
    )
    usual = table.groupby("name")["usual_log_score"].first().reindex(bets.columns)
    with np.errstate(over="ignore"):
        ratio = np.exp((mean - usual).to_numpy())
    above = (evidence >= np.log(EVIDENCE)) & ~(ratio < _TIMES)
    found = []
    for at in np.flatnonzero(above[-1]).tolist():
        begin, times = _since(above[:, at]), float(ratio[-1, at])
        found.append(
            {
                "entity": bets.columns[at] or None,
                "column": None,
                "since": days[begin],
                "kind": "scores",
                "times": times if np.isfinite(times) else None,
            }
        )
    return found


def _shifted_columns(table: pd.DataFrame, days: list[str]) -> list[dict[str, Any]]:
    """Return columns of entities that stood beyond a limit on each of the last days."""
    rows = table["rows"].to_numpy().astype(float)
    enough = rows >= MIN_ROWS
    beyond = {
        "distribution": table["psi"].to_numpy() / table["psi_limit"].to_numpy(),
        "missing": table["missing"].to_numpy() / rows / table["missing_limit"].to_numpy(),
        "unseen": table["unseen"].to_numpy() / rows / _UNSEEN,
    }
    found = []
    for kind, ratio in beyond.items():
        moved = table.assign(name=table["entity"].fillna(""))[enough & (np.nan_to_num(ratio) > 1)]
        present = pd.crosstab([moved["name"], moved["column"]], moved["day"])
        standing = present.reindex(columns=days, fill_value=0).to_numpy().astype(bool)
        last = standing[:, -_DAYS:].all(axis=1) if len(days) >= _DAYS else np.zeros(len(present))
        for at in np.flatnonzero(last).tolist():
            name, column = present.index[at]
            since = days[_since(standing[at])]
            entry = {"entity": name or None, "column": column, "since": since}
            found.append(entry | {"kind": kind, "times": None})
    return found


def _since(standing: Bool) -> int:
    """Return the first of the days up to the last on which it stood without a break.

    >>> _since(np.array([True, False, True, True]))
    2
    """
    gaps = np.flatnonzero(~standing)
    return int(gaps[-1]) + 1 if len(gaps) else 0


def _described(
    judged: list[dict[str, Any]], own: pd.DataFrame, count: int, days: list[str]
) -> list[Shift]:
    """Join what belongs to one entity; most entities together are the world."""
    if not judged:
        return []
    moved = {each["entity"] for each in judged}
    if count > 1 and len(moved) >= max(_MOST * count, 2):
        return [_shift(judged, own, days, entity=None, world=True, entities=len(moved))]
    groups = [[each for each in judged if each["entity"] == name] for name in moved]
    shifts = [
        _shift(group, own, days, entity=group[0]["entity"], world=False, entities=1)
        for group in groups
    ]
    return sorted(shifts, key=lambda each: (-(each.times or 0), each.since, each.entity or ""))


def _shift(
    group: list[dict[str, Any]], own: pd.DataFrame, days: list[str], *,
    entity: str | None, world: bool, entities: int,
) -> Shift:  # fmt: skip
    """Describe one shift, with the columns that moved most on the last day."""
    columns = own[(own["day"] == days[-1]) & own["column"].notna()]
    if not world:
        name = columns["entity"]
        columns = columns[name.isna() if entity is None else name == entity]
    ratio = np.nan_to_num((columns["psi"] / columns["psi_limit"]).to_numpy(dtype=float))
    ranked = columns.assign(ratio=ratio).sort_values("ratio", ascending=False, kind="stable")
    other = [each["column"] for each in group if each["kind"] in {"missing", "unseen"}]
    likely = [*other, *ranked.loc[ranked["ratio"] > _MOST, "column"]]
    named = tuple(dict.fromkeys(likely))[:_NAMED]
    since = min(each["since"] for each in group)
    times = max((each["times"] for each in group if each["times"] is not None), default=None)
    kinds = tuple(dict.fromkeys(each["kind"] for each in group))
    chosen = ranked[ranked["column"].isin(named)].drop_duplicates("column")
    return Shift(
        entity=entity,
        world=world,
        entities=entities,
        since=since,
        until=days[-1],
        kind=", ".join(kinds),
        columns=named,
        times=times,
        distributions=tuple(_distribution(row) for row in chosen.to_dict("records")),
        text=_text(entity, times, since, kinds, named, entities if world else 0),
    )


def _distribution(row: dict[str, Any]) -> dict[str, Any]:
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
