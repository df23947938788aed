"""How far before and after a row other rows affect its verdict: known without the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aedetect.detector.ensemble import BASELINE_ROWS, LEVEL_ROWS
from aedetect.detector.ticks import TICKS, tick_length

if TYPE_CHECKING:
    from aedetect.calibration.settings import AlignmentName, ScoreName
    from aedetect.data import Schema
    from aedetect.detector.rules import ColumnRules
    from aedetect.preprocessing import Preparation

LONGEST = 2**60  # ns, about 36 years: timestamps plus or minus this fit into 64 bits


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The parts of a scorer that its reach follows from; see the fields of `Scorer`."""

    schema: Schema
    preparation: Preparation
    rules: ColumnRules
    score: ScoreName
    alignment: AlignmentName
    smooth: int
    length: int  # rows of a window
    longer: int | None  # rows of a long window; None without these

    @property
    def rows(self) -> tuple[int, int]:
        """How many rows before and after a row its score depends on at most.

        Means and long windows of the score "ensemble" reach further back: see `lookback`.
        """
        before = self.length - 1 - self.offsets.start
        if self.score == "ensemble":
            before = max(before, BASELINE_ROWS - 1)
        after = self.length - 1 + self.offsets.stop - 1 if self.alignment == "centered" else 0
        return before, after

    @property
    def lookback(self) -> int:
        """Time before a row in which rows may affect its verdict, in ns."""
        rows, _ = self.rows
        if self.longer is not None and self.combines:
            rows = max(rows, self.longer - 1)
        if self.rules.missing and self.preparation.masks:
            rows += 1  # whether the row before was scored without the column too
        longest = self.schema.longest_gap
        scored = rows * longest + self.preparation.longest_limit
        if self.score == "ensemble":
            periods = [self.schema.period, *(each.period for each in self.schema.rates)]
            scored += LEVEL_ROWS * TICKS * int(tick_length(max(periods)))
        reading = longest if self.schema.counts else 0  # the one before the first row
        return max(scored, self.rules.lookback(longest)) + reading

    @property
    def lookahead(self) -> int:
        """Time after a row in which rows may affect its score, in ns."""
        _, rows = self.rows
        return rows * self.schema.longest_gap

    @property
    def combines(self) -> bool:
        """Whether more than the network says what is expected."""
        return (self.score, self.alignment) == ("ensemble", "causal")

    @property
    def offsets(self) -> range:
        """Offsets of the rows that a score is averaged over, relative to its own row."""
        after = (self.smooth - 1) // 2 if self.alignment == "centered" else 0
        return range(after - self.smooth + 1, after + 1)
