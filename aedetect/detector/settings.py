"""Which column rules flag rows beside the score: `[rules]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RuleName = Literal["flag", "ignore"]


@dataclass(frozen=True, kw_only=True)
class RuleSettings:
    """What flags a row whatever its score: `[rules]`."""

    constant: RuleName = "flag"  # a column that never changed in training changes
    unseen_category: RuleName = "flag"  # a text column has a value that training lacked
    missing: RuleName = "flag"  # a column is missing for longer than [prepare] missing_limit
    stuck: RuleName = "flag"  # a number stays the same for longer than ever in training
    far: RuleName = "flag"  # a number is far beyond its training range, and was not before
