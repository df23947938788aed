"""What several files are together: parts of one table, an entity each, a variable each, components.

Amazon Lookout for Equipment took a CSV file or folder a component and intervals of labels without a
header; Azure's multivariate Anomaly Detector took a CSV file a variable, in a folder or a zip.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from aedetect.onboarding.moments import ENTITY
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.onboarding.moments import Timed
    from aedetect.onboarding.tables import Table

Layout = Literal["parts", "entities", "variables", "components", "long"]
_PLANNED = re.compile(r"schedul|mainten|downtime|planned|off.?time|wartung|shutdown", re.IGNORECASE)
_VALUE = re.compile(r"val(ue)?|reading|measurement|wert|y|data", re.IGNORECASE)
_VARIABLE = re.compile(
    r"(.*[_ ])?(tag|sensor|variable|metric|parameter|param|signal|measure|channel|point|item|key)"
    r"([_ ]?(name|id))?",
    re.IGNORECASE,
)
_DATE = re.compile(r"[_\-. ]*(19|20)\d\d[_\-.]?[01]\d([_\-.]?[0-3]\d)?.*$")
_TRAIN = re.compile(r"(^|[/_\-. ])(train(ing)?|histor(y|ical)|normal)([/_\-. ]|$)", re.IGNORECASE)
_INPUT = re.compile(
    r"(^|[/_\-. ])(test(ing)?|incoming|new|live|scor(e|ing)|infer(ence)?|eval(uation)?)"
    r"([/_\-. ]|$)",
    re.IGNORECASE,
)
_SEVERAL = 1.01  # rows relative to timestamps, from which a table has several entities
_COMMON = 0.8  # share of the columns that files of one kind have in common
_OVERLAP = 0.1  # share of a file's time that another one may cover, as the end of a day


@dataclass(frozen=True)
class IntervalTable:
    """A file of intervals: labels of people, or planned work."""

    table: Table
    planned: bool


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """How tables belong together: each group is read as one table."""

    layout: Layout
    groups: tuple[tuple[Timed, ...], ...]
    names: tuple[str, ...]  # of the groups: the entities, variables or components
    why: str

    @property
    def tables(self) -> tuple[Timed, ...]:
        """All tables that are read."""
        return tuple(each for group in self.groups for each in group)


def interval_kind(table: Table) -> IntervalTable | None:
    """Return a table as intervals when it has a start, an end, and at most two more columns."""
    kinds = [column.kind for column in table.columns]
    columns = kinds[:2] == ["time", "time"] and 2 <= len(kinds) <= 4  # noqa: PLR2004
    if not columns or any(kind in {"number", "boolean"} for kind in kinds[2:3]):
        return None
    return IntervalTable(table, planned=bool(_PLANNED.search(table.file.stem)))


def arrange(tables: Sequence[Timed]) -> Arrangement:
    """Find how tables belong together, by their columns and times."""
    if len(tables) == 1:
        return _alone(tables[0])
    groups = _by_columns(tables)
    if len(groups) == 1:
        return _alike(groups[0])
    if any(_has_own_entity(each) for each in tables):  # such tables have no common timestamps
        main = max(groups, key=lambda group: sum(each.rows for each in group))
        others = [each.table.file.name for each in tables if each not in main]
        why = f"left out, since their columns are others: {list_some(others, most=5)}"
        return replace(_alike(main), why=why)
    joined = [_alike(group) for group in groups]
    spans = [(min(t.first for t in group), max(t.last for t in group)) for group in groups]
    if all(each.layout == "parts" for each in joined) and _overlaps(spans):
        names = tuple(_shared_name(group) for group in groups)
        why = f"{len(groups)} files or folders with different columns at the same times"
        return Arrangement(layout="components", groups=tuple(groups), names=names, why=why)
    why = f"{len(tables)} files, whose columns differ: those that all have are used"
    return Arrangement(layout="parts", groups=(tuple(tables),), names=("",), why=why)


def long_columns(timed: Timed) -> tuple[str, str] | None:
    """Return the columns of names and values of a table with a row a reading, if it is one."""
    values = [each.name for each in timed.features if each.kind == "number"]
    named = [each.name for each in timed.features if each.kind == "text"]
    named = [name for name in named if _VARIABLE.fullmatch(name)]
    repeated = timed.rows > 1.5 * timed.distinct
    if len(values) == 1 and len(named) == 1 and repeated and _VALUE.fullmatch(values[0]):
        return named[0], values[0]
    return None


def _alone(timed: Timed) -> Arrangement:
    if found := long_columns(timed):
        why = f'a row a reading: "{found[0]}" names what "{found[1]}" is of'
        return Arrangement(layout="long", groups=((timed,),), names=("",), why=why)
    return Arrangement(layout="parts", groups=((timed,),), names=("",), why="one table")


def _alike(tables: Sequence[Timed]) -> Arrangement:
    """Arrange tables with the same columns."""
    ordered = tuple(sorted(tables, key=lambda each: (each.first, each.table.file.name)))
    spans = [(each.first, each.last) for each in ordered]
    if len(tables) == 1 or not _overlaps(spans):
        why = "one table" if len(tables) == 1 else f"{len(tables)} files, one after the other"
        return Arrangement(layout="parts", groups=(ordered,), names=("",), why=why)
    if named_split([each.table.file.name for each in ordered]):
        why = f"{len(tables)} files, whose names say what is trained on and what is scored"
        return Arrangement(layout="parts", groups=(ordered,), names=("",), why=why)
    numbers = [each for each in ordered[0].features if each.kind in {"number", "empty"}]
    if len(ordered[0].features) == 1 and numbers and _VALUE.fullmatch(numbers[0].name):
        names = tuple(each.table.file.stem for each in ordered)
        why = (
            f'{len(tables)} files with "{ordered[0].name}" and "{numbers[0].name}": one a variable'
        )
        return Arrangement(
            layout="variables", groups=tuple((e,) for e in ordered), names=names, why=why
        )
    if any(_has_own_entity(each) for each in ordered):
        why = f"{len(tables)} files with the same columns, of several entities each"
        return Arrangement(layout="parts", groups=(ordered,), names=("",), why=why)
    groups, names = _by_place(ordered)
    many = f"{len(tables)} files" if len(groups) < len(tables) else "files"
    why = (
        f"{many} with the same columns at the same times, of {len(groups)} entities by their names"
    )
    return Arrangement(layout="entities", groups=groups, names=names, why=why)


def named_split(names: Sequence[str]) -> tuple[list[int], list[int]] | None:
    """Return which files are trained on and which are scored, where every name says so.

    >>> named_split(["train.csv", "test/1.csv"]), named_split(["a.csv", "test.csv"])
    (([0], [1]), None)
    """
    train = [place for place, name in enumerate(names) if _TRAIN.search(name)]
    rest = [n for n, name in enumerate(names) if n not in train and _INPUT.search(name)]
    return (train, rest) if train and rest and len(train) + len(rest) == len(names) else None


def _has_own_entity(timed: Timed) -> bool:
    """Whether a table has rows of several entities: at the same time, or by a column's name."""
    named = any(each.kind == "text" and ENTITY.search(each.name) for each in timed.features)
    return named or timed.rows > _SEVERAL * timed.distinct


def _by_place(
    tables: Sequence[Timed],
) -> tuple[tuple[tuple[Timed, ...], ...], tuple[str, ...]]:
    """Group by folder, or name without a date, where files of a group follow each other."""
    for key in (lambda each: each.table.file.folder, lambda each: _undated(each.table.file.stem)):
        groups: dict[str, list[Timed]] = {}
        for each in tables:
            groups.setdefault(key(each), []).append(each)
        spans = [[(each.first, each.last) for each in group] for group in groups.values()]
        if len(groups) > 1 and not any(map(_overlaps, spans)):
            return tuple(tuple(group) for group in groups.values()), tuple(groups)
    return tuple((each,) for each in tables), tuple(each.table.file.stem for each in tables)


def _by_columns(tables: Iterable[Timed]) -> list[tuple[Timed, ...]]:
    """Group tables whose columns are mostly the same."""
    groups: list[list[Timed]] = []
    for timed in tables:
        for group in groups:
            first, own = group[0].table.names, timed.table.names
            if len(first & own) >= _COMMON * len(first | own):
                group.append(timed)
                break
        else:
            groups.append([timed])
    return [tuple(group) for group in groups]


def _overlaps(spans: Sequence[tuple[datetime, datetime]]) -> bool:
    """Whether most spans lie beside another one, and not after it."""
    if len(spans) < 2:  # noqa: PLR2004 - nothing beside it
        return False
    ordered = sorted(spans)
    beside = 0
    for (_, end), (start, last) in pairwise(ordered):
        length = (last - start).total_seconds()
        shared = (min(end, last) - start).total_seconds()
        beside += shared > _OVERLAP * max(length, 1.0)
    return beside * 2 > len(ordered) - 1


def _undated(stem: str) -> str:
    """Return a name without the date at its end.

    >>> _undated("pump1_2026-03-01"), _undated("pump1")
    ('pump1', 'pump1')
    """
    return _DATE.sub("", stem)


def _shared_name(group: Sequence[Timed]) -> str:
    folders = {each.table.file.folder for each in group}
    return (
        folders.pop()
        if len(folders) == 1 and len(group) > 1
        else _undated(group[0].table.file.stem)
    )
