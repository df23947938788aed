"""The sums of partitions, read and added up by day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.drift.binning import stability_index
from aedetect.drift.partition_sums import ALL, DRIFT, SCHEMA
from aedetect.output import OutputFile, list_files
from aedetect.output.catalog import read_footers
from aedetect.output.partitions import Span
from aedetect.wall_clock import WallClock

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.arrays import Float64

_UNSEEN = 0.01  # share of unknown categories
_HISTORY = 92  # days that are read
_HOURLY_HISTORY = 14  # where a day has a file for each hour
_WHOLE_BLOCKS = 4  # blocks of days of which all is read; of single days two
_BLOCK = "block_days"
_KEY = ["day", "scope", "entity", "column"]
_SUMMED = ["rows", "missing", "unseen", "bets", "log_p"]


def read_days(output: Path, *, span: Span, clock: WallClock) -> tuple[pd.DataFrame, list[str]]:
    """Return a row for each day, entity and column of the last days of a span, and the days.

    Only of the version that scored the last of them: what others were trained on is another
    normal. Where rows are hours apart, a day stands for the block of days that it begins, up to
    the column `until`. Raises OutputError for a damaged file.
    """
    import pandas as pd  # takes time to import

    files = [file for file in list_files(output, DRIFT) if span.covers(file.partition, clock)]
    hourly = any(file.partition.by == "hour" for file in files)
    files = _of_last_version(_last_days(files, _HOURLY_HISTORY if hourly else _HISTORY))
    if not files:
        return pd.DataFrame(), []
    size = _block_days(files[-1])
    recent = {_day(file) for file in _last_days(files, (_WHOLE_BLOCKS * size if size > 1 else 2))}
    read = [_read(file, whole=hourly or _day(file) in recent, size=size) for file in files]
    table = pd.concat(read, ignore_index=True)
    table = table.assign(until=table["day"])
    days = sorted({_day(file) for file in files})
    if size > 1:
        first = _first_of_block(days, size)
        table["day"] = table["day"].map(first)
        days = sorted(set(first.values()))
    return _by_day(table), days


def missing_shares(table: pd.DataFrame) -> dict[str, float]:
    """Return the share of rows without a value, by column, of the days that are read whole."""
    if not len(table):
        return {}
    whole = table[(table["scope"] == ALL) & table["column"].notna()]
    summed = whole.groupby("column")[["missing", "rows"]].sum()
    share = summed["missing"] / summed["rows"].clip(lower=1)
    return {str(name): float(each) for name, each in share.items()}


def ratios(table: pd.DataFrame) -> dict[str, Float64]:
    """Return how far columns are, in units of their limit: (N,) each."""
    rows = np.maximum(table["rows"].to_numpy(dtype=float), 1.0)
    missing, unseen = (table[each].to_numpy(dtype=float) / rows for each in ("missing", "unseen"))
    return {
        "distribution": table["psi"].to_numpy() / table["psi_limit"].to_numpy(),
        "missing": missing / table["missing_limit"].to_numpy(),
        "unseen": unseen / _UNSEEN,
    }


def _last_days(files: list[OutputFile], count: int) -> list[OutputFile]:
    days = sorted({_day(file) for file in files})[-count:]
    return [file for file in files if _day(file) in days]


def _of_last_version(files: list[OutputFile]) -> list[OutputFile]:
    """Return the files of the model that the last one is of."""
    versions = [origin.model_version for origin, _ in read_footers(files)]
    return [file for file, own in zip(files, versions, strict=True) if own == versions[-1]]


def _block_days(file: OutputFile) -> int:
    """Return how many days are judged together; one in files of before."""
    if _BLOCK not in file.schema().names:
        return 1
    found = file.read([_BLOCK])[_BLOCK]
    return int(found[0].as_py()) if len(found) else 1


def _first_of_block(days: list[str], size: int) -> dict[str, str]:
    """Return the first day there is of the block of each day."""
    first: dict[int, str] = {}
    for day in days:
        first.setdefault(date.fromisoformat(day).toordinal() // size, day)
    return {day: first[date.fromisoformat(day).toordinal() // size] for day in days}


def _day(file: OutputFile) -> str:
    return str(file.partition)[:10]


def _read(file: OutputFile, *, whole: bool, size: int) -> pd.DataFrame:
    """Read a file; of days before, only the columns beyond a limit, without distributions.

    Of blocks of days, that have to be added up, not even these.
    """
    lists = () if whole else ("counts", "usual", "edges")
    names = [each.name for each in SCHEMA if each.name not in (*lists, _BLOCK)]
    table: pd.DataFrame = file.read(names).to_pandas().assign(day=_day(file))
    if whole:
        return table
    if size > 1:
        return table[table["column"].isna()]
    beyond = np.nan_to_num(np.stack(list(ratios(table).values()))).max(axis=0) > 1
    kept: pd.DataFrame = table[beyond | table["column"].isna()]
    return kept


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
    first["until"] = grouped["until"].max()
    first["counts"] = grouped["counts"].agg(_added)
    first = first.reset_index()
    return first.assign(psi=_indices(first))


def _added(lists: pd.Series[Any]) -> Any:
    """Add up lists of counts; None for the rows of entities."""
    there = lists.dropna()
    return np.sum(np.stack(list(there)), axis=0) if len(there) else None


def _indices(table: pd.DataFrame) -> Any:
    there = table["counts"].notna().to_numpy()
    index = np.full(len(table), np.nan)
    if there.any():
        now, usual = (np.stack(list(table.loc[there, name])) for name in ("counts", "usual"))
        index[there] = stability_index(now, usual.astype(float))
    return index
