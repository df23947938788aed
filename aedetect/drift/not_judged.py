"""What drift does not judge, and why: said before training, and when nothing has shifted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.drift.binning import block_days, farthest_index, least_rows
from aedetect.drift.daily_table import Block, read_blocks
from aedetect.drift.experience import MIN_DAYS
from aedetect.output.partitions import Span
from aedetect.wall_clock import WallClock
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.arrays import Int64

_DAY = 86_400_000_000_000  # ns
_NAMED = 5
_LOOKED_AT = 50  # entities, for columns whose limit is out of reach


def why_no_column(time: Int64, *, period: int) -> str | None:
    """Return why no column of training rows at times (ns) can be judged; None if some can.

    >>> why_no_column(np.arange(100) * 7 * _DAY, period=7 * _DAY)
    'columns are not judged: rows are 7 days apart, and 14 days need 10 of them'
    """
    size = block_days(period)
    most = size * _DAY // max(period, 1)
    if most < least_rows(period):
        apart = f"rows are {period / _DAY:.3g} days apart"
        return f"columns are not judged: {apart}, and {size} days need {least_rows(period)} of them"
    days = len(np.unique(time // _DAY))
    if days >= MIN_DAYS * size:
        return None
    compared = "days" if size == 1 else f"blocks of {size} days"
    return (
        f"columns are not judged: {compared} are compared, and {MIN_DAYS * size} days of training "
        f"are needed, there are {days}"
    )


def unjudged(output: Path, *, span: Span, clock: WallClock) -> Iterator[str]:
    """Yield what of the last day there is no judgement on. Raises OutputError."""
    blocks = read_blocks(output, span=span, clock=clock)
    if not blocks:
        yield "nothing is judged: no day was scored by a detector that knows its training days"
        return
    scores, cells = blocks[-1].sums()
    unknown = cells.groupby("column")["psi_limit"].min()
    names = [str(name) for name in unknown.index[np.isinf(unknown.to_numpy(dtype=float))]]
    if names:
        what = "no column is" if len(names) == len(unknown) else (
            f"{list_some(names, most=_NAMED)} are not"
        )  # fmt: skip
        yield f"{what} judged: training has too few whole days (or blocks of days) with values"
    far = _out_of_reach(blocks[-1], scores["entity"].to_list()[:_LOOKED_AT])
    if far:
        yield (
            f"the distribution of {list_some(far, most=_NAMED)} is not judged: training days "
            "differ from each other as far as bins can tell; scores and missing cells are"
        )
    if not (scores["rows"] >= scores["whole_day"]).any():
        since = "" if blocks[-1].day == blocks[-1].until else f", which began on {blocks[-1].day},"
        yield f"columns of the last day{since} are judged when it is over"


def _out_of_reach(block: Block, entities: Sequence[str]) -> list[str]:
    """Return the columns that no day can move beyond the limit, of all of some entities."""
    found = block.distributions(entities)
    table = found.table()
    limit = table["psi_limit"].to_numpy(dtype=float)
    beyond = np.isfinite(limit) & (limit > np.nan_to_num(farthest_index(found.usual.astype(float))))
    every = table.assign(beyond=beyond).groupby("column", sort=False)["beyond"].all()
    return [str(name) for name in every.index[every.to_numpy(dtype=bool)]]
