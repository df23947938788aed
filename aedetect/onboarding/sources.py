"""Files -> tables with their time column, intervals of labels and of planned work, and remarks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aedetect.errors import DataError
from aedetect.logs import log_event
from aedetect.onboarding.date_order import order_dates
from aedetect.onboarding.layout import IntervalTable, interval_kind
from aedetect.onboarding.moments import Timed, find_time, no_time
from aedetect.onboarding.tables import Table, open_table

if TYPE_CHECKING:
    import duckdb

    from aedetect.onboarding.date_order import DateOrder
    from aedetect.onboarding.raw_files import RawFile

_LEAVE_OUT = ": leave it out"  # the remedy where there are other files
logger = logging.getLogger(__name__)

_MOST_FILES = 100  # Parquet files that are opened; of more, some evenly spaced


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What is in the files."""

    files: tuple[RawFile, ...]  # all that were found
    tables: tuple[Timed, ...]  # those that were opened
    labels: tuple[IntervalTable, ...] = ()
    planned: tuple[IntervalTable, ...] = ()
    left_out: tuple[str, ...] = ()  # files that are no table with timestamps, and why
    doubts: tuple[str, ...] = ()  # of dates

    @property
    def is_sample(self) -> bool:
        """Whether files were left unopened, because there are many alike."""
        opened = len(self.tables) + len(self.labels) + len(self.planned) + len(self.left_out)
        return opened < len(self.files)


def open_sources(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[RawFile],
    *,
    timestamp: str | None,
    dates: DateOrder | None = None,
) -> Sources:
    """Open files as tables. Raises the error of the first file when none is one."""
    tables: list[Table] = []
    left_out: list[str] = []
    errors: list[DataError] = []
    for place, file in enumerate(_some(files)):
        log_event(logger, "step", text=f"reading {file.name}", number=place + 1, of=len(files))
        try:
            tables.append(open_table(connection, file))
        except DataError as error:
            errors.append(error)
            left_out.append(str(error))
    if not tables:
        raise _no_table(errors)
    tables, doubts = order_dates(connection, tables, asked=dates)
    intervals = [found for table in tables if (found := interval_kind(table))]
    if len(intervals) == len(tables):  # a log of starts and ends is a table like others
        intervals = []
    apart = [found.table for found in intervals]
    timed: list[Timed] = []
    for table in tables:
        if table in apart:
            continue
        own = find_time(connection, table, asked=timestamp)
        if own is not None:
            timed.append(own)
        else:
            errors.append(no_time(table))
            left_out.append(str(errors[-1]))
    if not timed:
        raise errors[-1]
    return Sources(
        files=tuple(files),
        tables=tuple(timed),
        labels=tuple(each for each in intervals if not each.planned),
        planned=tuple(each for each in intervals if each.planned),
        left_out=tuple(left_out),
        doubts=doubts,
    )


def _no_table(errors: Sequence[DataError]) -> DataError:
    """Return what to do when no file is a table; the remedy of one file among others is no use."""
    first = str(errors[0])
    if len(errors) == 1 and not first.endswith(_LEAVE_OUT):
        return errors[0]
    which = "" if len(errors) == 1 else f"none of the {len(errors):,} files is a table; first: "
    return type(errors[0])(
        f"{which}{first.removesuffix(_LEAVE_OUT)}: give tables with a row a timestamp, as Parquet, "
        "CSV or JSON lines"
    )


def _some(files: Sequence[RawFile]) -> Sequence[RawFile]:
    """Return all files, or some evenly spaced of many that are Parquet."""
    if len(files) <= _MOST_FILES or any(file.kind != "parquet" for file in files):
        return files
    step = -(-len(files) // _MOST_FILES)
    return files[::step]
