"""Sums by day -> entities whose scores have shifted, and columns that have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.drift.betting import EVIDENCE, log_evidence
from aedetect.drift.daily_table import ratios

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.arrays import Bool

_DAYS = 2  # in a row that a column has to stand beyond its limit,
_AT_ONCE = 2.0  # or times its limit on the last one
_TIMES = 1.5  # mean score against the held-out one: less is evidence of nothing worth a person


def shifted_scores(table: pd.DataFrame, days: list[str]) -> list[dict[str, Any]]:
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
    # An entity without rows that day says nothing: it does not stay shifted when it is silent.
    above = (evidence >= np.log(EVIDENCE)) & ~(ratio < _TIMES) & (bets.to_numpy() > 0)
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


def shifted_columns(table: pd.DataFrame, days: list[str]) -> list[dict[str, Any]]:
    """Return columns of entities that stood beyond a limit on the last days that are over."""
    import pandas as pd  # takes time to import

    table = table.reset_index(drop=True)
    enough = (table["rows"] >= table["whole_day"]).to_numpy()
    found = []
    for kind, ratio in ratios(table).items():
        moved = table.assign(name=table["entity"].fillna(""))[enough & (np.nan_to_num(ratio) > 1)]
        present = pd.crosstab([moved["name"], moved["column"]], moved["day"])
        standing = present.reindex(columns=days, fill_value=0).to_numpy().astype(bool)
        far = moved[np.nan_to_num(ratio[moved.index.to_numpy()]) > _AT_ONCE]
        far_now = set(map(tuple, far.loc[far["day"] == days[-1], ["name", "column"]].to_numpy()))
        last = standing[:, -_DAYS:].sum(axis=1) == _DAYS
        last |= np.array([key in far_now for key in present.index], dtype=np.bool_)
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
