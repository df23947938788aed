"""Output of the command check."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aedetect.cli.show import console, relative_location, table_of
from aedetect.jobs.quality import OK
from aedetect.timestamps import short_time
from aedetect.wording import figure, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aedetect.jobs.check import Checked
    from aedetect.jobs.findings import Finding
    from aedetect.jobs.quality import ColumnQuality, EntityQuality

_T = TypeVar("_T", "ColumnQuality", "EntityQuality")

_MOST = 30  # columns and entities shown; --json has all
_MEANING = {
    "refuse": "train or score ends with an error: see the first lines",
    "look": "train and score run; the lines marked look are treated specially",
    "ok": "train and score take all of it as usual",
}


def print_check(checked: Checked) -> None:
    """Show the findings, the worst first, and the figures of columns and entities."""
    out = console()
    train, scored = checked.train, checked.input
    if train is not None:
        out.print(
            f"{train.rows:,} normal rows, one every {train.period}; gaps are over {train.max_gap}"
        )
        _print_columns(train.columns)
        _print_entities(train.entities)
    if scored is not None:
        first, last = (short_time(each or "") for each in (scored.first, scored.last))
        span = f", {first} to {last}" if first else ""
        out.print(f"to score: {plural(scored.files, 'file')}, {plural(scored.rows, 'row')}{span}")
    print_findings(checked.findings)
    out.print(f"{checked.grade}: {_MEANING[checked.grade]}")


def print_findings(findings: Sequence[Finding]) -> None:
    """Show findings, one a line."""
    if not findings:
        return
    table = table_of("grade", "data", "what", "finding")
    for each in findings:
        table.add_row(each.grade, each.data, each.subject, relative_location(each.text))
    console().print(table)


def _print_columns(columns: Sequence[ColumnQuality]) -> None:
    table = table_of("column", "kind", "missing", "low", "mean", "high", "verdict")
    for c in _chosen(columns):
        low, mean, high = map(_number, (c.low, c.mean, c.high))
        table.add_row(c.name, c.kind, f"{c.missing:.1%}", low, mean, high, _brief(c.verdict))
    console().print(table)
    _print_rest(len(columns), "columns")


def _print_entities(entities: Sequence[EntityQuality]) -> None:
    table = table_of("entity", "rows", "first", "last", "gaps", "longest step", "verdict")
    for e in _chosen(entities):
        name, verdict = str(e.name or "-"), _brief(e.verdict)
        first, last = map(short_time, (e.first, e.last))
        table.add_row(name, f"{e.rows:,}", first, last, str(e.gaps), e.longest_gap, verdict)
    console().print(table)
    _print_rest(len(entities), "entities")


def _chosen(listed: Sequence[_T]) -> Sequence[_T]:
    """Return those that deserve a look, and then others; in their order when all are shown."""
    if len(listed) <= _MOST:
        return listed
    return sorted(listed, key=lambda each: each.verdict == OK)[:_MOST]


def _print_rest(count: int, what: str) -> None:
    if count > _MOST:
        console().print(f"and {count - _MOST:,} more {what}: --json shows all")


def _brief(verdict: str) -> str:
    """Return ok, or look: what was found stands among the findings."""
    return OK if verdict == OK else "look"


def _number(value: float | None) -> str:
    return "-" if value is None else figure(value)
