"""What a scoring run knows in the end, for the stages that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aedetect.drift import Shift
    from aedetect.scoring import Summary


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The summary of a run, and what had shifted on the last day that was scored."""

    summary: Summary
    shifts: Sequence[Shift] | None = None  # None: the run scored nothing, and no one has looked

    def with_warning(self, text: str) -> Finished:
        """Return it with one more warning of the run."""
        summary = replace(self.summary, warnings=(*self.summary.warnings, text))
        return replace(self, summary=summary)
