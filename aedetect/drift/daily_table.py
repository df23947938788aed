"""The sums of partitions, read and added up by day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.drift.binning import stability_index
from aedetect.drift.partition_sums import DRIFT, SCHEMA
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
_KEY = ["day", "scope", "entity", "column"]
_SUMMED = ["rows", "missing", "unseen", "bets", "log_p"]


def read_days(output: Path, *, span: Span, clock: WallClock) -> tuple[pd.DataFrame, list[str]]:
    """Return a row for each day, entity and column of the last days of a span, and the days.

    Only of the version that scored the last of them: what others were trained on is another
    normal. The frame has the columns of `drift/` and the day. Raises OutputError for a damaged
    file.
    """
    import pandas as pd  # takes time to import

    files = [file for file in list_files(output, DRIFT) if span.covers(file.partition, clock)]
    hourly = any(file.partition.by == "hour" for file in files)
    files = _of_last_version(_last_days(files, _HOURLY_HISTORY if hourly else _HISTORY))
    days = sorted({_day(file) for file in files})
    read = [_read(file, whole=hourly or _day(file) in days[-2:]) for file in files]
    if not read:
        return pd.DataFrame(), []
    return _by_day(pd.concat(read, ignore_index=True)), days


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


def _day(file: OutputFile) -> str:
    return str(file.partition)[:10]


def _read(file: OutputFile, *, whole: bool) -> pd.DataFrame:
    """Read a file; of days before, only the columns beyond a limit, without distributions."""
    lists = ("counts", "usual", "edges")
    names = [each.name for each in SCHEMA if whole or each.name not in lists]
    table: pd.DataFrame = file.read(names).to_pandas().assign(day=_day(file))
    if whole:
        return table
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
