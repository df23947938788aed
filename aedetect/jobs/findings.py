"""What `check` finds in data: a grade, where it was found, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Grade = Literal["refuse", "look", "ok"]
GRADES: tuple[Grade, ...] = ("refuse", "look", "ok")  # the worst first


@dataclass(frozen=True)
class Finding:
    """One finding: `refuse` ends train or score, `look` is treated specially, `ok` is as usual."""

    grade: Grade
    data: Literal["train", "input"]
    subject: str  # a column, an entity, a file, or what it is about
    text: str  # what was found, and what is done about it


def worst_grade(findings: Iterable[Finding]) -> Grade:
    """Return the worst grade; `ok` without findings.

    >>> worst_grade([Finding("ok", "train", "a", ""), Finding("look", "train", "b", "")])
    'look'
    """
    return min((each.grade for each in findings), key=GRADES.index, default="ok")


def by_grade(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings with the worst first, otherwise in their order."""
    return tuple(sorted(findings, key=lambda each: GRADES.index(each.grade)))
