"""What the columns of a table are: entity, label, operating state; with the reason for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aedetect.data.scan import address, identifier, sql_literal
from aedetect.data.schema import suggest_nearest
from aedetect.errors import SchemaMismatch
from aedetect.onboarding.moments import ENTITY

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

_LABEL = re.compile(
    r"(is_?|has_?)?(anomal(y|ous|ies)|fault(y)?|failure|label|outlier|attack|alarm|defect|event|"
    r"broken|error|target|ground_?truth)(_?(label|flag|class|gt))?|y",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"(^|[_\W])(state|status|mode|phase|running|regime|betriebsart|zustand|operation)",
    re.IGNORECASE,
)
_FAULTY = re.compile(
    r"fault|fail|broken|error|alarm|anomal|defect|attack|recover|repair|störung", re.IGNORECASE
)
_VAGUE = re.compile(r"y|event|target|error|alarm", re.IGNORECASE)
_PASSING = re.compile(
    r"batch|order|operator|user|recipe|product|shift|lot|alarm|event|error|run|session|trip",
    re.IGNORECASE,
)
FIRST_YEAR, LAST_YEAR = 1678, 2261
_MOST_MARKED = 0.9
_MOST_ENTITIES, _FEWEST_ROWS = 100_000, 20  # rows of an entity, on average
_MOST_STATES = 12
_REPEATED = (
    0.01  # share of rows whose timestamp another row has, from which entities are looked for
)
_UNIQUE = 0.98  # share of rows that an entity and a timestamp tell apart
_TRIED = 8  # columns
_MAJORITY = 0.5


@dataclass(frozen=True)
class Guess:
    """What was found for one key, and why; `value` is None where there is nothing."""

    value: str | None
    why: str
    others: tuple[str, ...] = ()  # that could be it, too


@dataclass(frozen=True)
class State:
    """A column of operating states: how often each occurs."""

    name: str
    shares: tuple[tuple[Any, float], ...]
    is_text: bool

    @property
    def faulty(self) -> bool:
        """Whether some of its values are words for a fault, and most rows have none."""
        faults = [share for value, share in self.shares if _FAULTY.search(str(value))]
        rest = sum(share for _, share in self.shares) - sum(faults)
        return self.is_text and bool(faults) and rest > _MAJORITY

    @property
    def normal(self) -> str:
        """The SQL for the rows in the usual state."""
        usual = [value for value, _ in self.shares if not _FAULTY.search(str(value))]
        chosen = usual if self.faulty else usual[:1] or [self.shares[0][0]]
        column = self.name if re.fullmatch(r"[A-Za-z_]\w*", self.name) else identifier(self.name)
        listed = [sql_literal(str(v)) if self.is_text else str(v) for v in chosen]
        if len(listed) == 1:
            return f"{column} = {listed[0]}"
        return f"{column} IN ({', '.join(listed)})"


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns are."""

    entity: Guess
    label: Guess
    states: tuple[State, ...] = ()
    entities: int = 1
    rows: int = 0
    first: Any = None
    last: Any = None
    beyond: int = 0  # rows whose time is that of no year that can be, such as 9999
    distinct: dict[str, int] = field(default_factory=dict)


class Looker:
    """Asks about the columns of some Parquet files."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[Path | str], time: str
    ) -> None:
        self._connection, self._time = connection, time
        listed = ", ".join(sql_literal(address(str(each))) for each in files)
        self._from = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = true)"
        described = connection.execute(f"DESCRIBE SELECT * FROM {self._from}").fetchall()
        self.types = {name: str(kind) for name, kind, *_ in described if name != time}

    def roles(self, *, entity: str | None = None, label: str | None = None) -> Roles:
        """Find entity, label and states; those that are asked for must be columns."""
        for name in filter(None, (entity, label)):
            if name not in self.types:
                raise SchemaMismatch(
                    f'there is no column "{name}"{suggest_nearest(name, self.types)}'
                )
        distinct = self._distinct()
        time = identifier(self._time)
        known = f"FILTER (year({time}) BETWEEN {FIRST_YEAR} AND {LAST_YEAR})"
        rows, times, first, last, beyond = self._ask(
            f"count({time}), count(DISTINCT {time}), min({time}) {known}, max({time}) {known}, "
            f"count({time}) - (count({time}) {known})"
        )
        found = Guess(entity, "as asked") if entity else self._entity(distinct, rows, times)
        labelled = Guess(label, "as asked") if label else self._label(distinct)
        return replace(
            Roles(entity=found, label=labelled, rows=rows - beyond, first=first, last=last),
            beyond=beyond,
            entities=distinct.get(found.value or "", 1),
            states=tuple(self._states(distinct, {found.value, labelled.value}, rows)),
            distinct=distinct,
        )

    def _distinct(self) -> dict[str, int]:
        """Return about how many values text, whole and boolean columns have."""
        asked = [
            name
            for name, kind in self.types.items()
            if kind in {"VARCHAR", "BOOLEAN"}
            or "INT" in kind
            or kind.startswith("ENUM")
            or _LABEL.fullmatch(name)
        ]
        found: dict[str, int] = {}
        for start in range(0, len(asked), 64):
            part = asked[start : start + 64]
            counts = ", ".join(f"approx_count_distinct({identifier(name)})" for name in part)
            found |= dict(zip(part, self._ask(counts), strict=True))
        return found

    def _entity(self, distinct: dict[str, int], rows: int, times: int) -> Guess:
        """Find the column that tells rows of the same timestamp apart."""
        repeated = 1 - times / max(rows, 1)
        candidates = [
            name
            for name, count in distinct.items()
            if 1 < count <= min(_MOST_ENTITIES, max(rows // _FEWEST_ROWS, 2))
            and self.types[name] != "BOOLEAN"
            and not _STATE.search(name)
            and (self.types[name] == "VARCHAR" or ENTITY.search(name))
        ]
        candidates.sort(key=lambda name: (not ENTITY.search(name), distinct[name]))
        named = [name for name in candidates if ENTITY.search(name)]
        if repeated < _REPEATED:
            by_name = [n for n in named if self.types[n] == "VARCHAR" and not _PASSING.search(n)]
            if by_name:
                why = f"named like one, {distinct[by_name[0]]:,} values; timestamps do not repeat"
                return Guess(by_name[0], why, tuple(n for n in named if n != by_name[0]))
            return Guess(None, "every timestamp is there once: one series", tuple(named))
        time, fits = identifier(self._time), []
        for name in candidates[:_TRIED]:
            (pairs,) = self._ask(f"count(DISTINCT ({time}, {identifier(name)}))")
            if pairs >= _UNIQUE * rows:
                fits.append(name)
        if fits:
            why = f"{distinct[fits[0]]:,} values; with the timestamp it tells every row apart"
            return Guess(fits[0], why, tuple(fits[1:]))
        why = f"{repeated:.0%} of the rows share a timestamp, and no column tells them apart"
        return Guess(None, why, tuple(candidates))

    def _label(self, distinct: dict[str, int]) -> Guess:
        for name, count in distinct.items():
            if count > 2 or self.types[name] == "VARCHAR" or not _LABEL.fullmatch(name):  # noqa: PLR2004
                continue
            cell = f"CAST({identifier(name)} AS DOUBLE)"
            low, high, mean = self._ask(f"min({cell}), max({cell}), avg({cell})")
            most = _MAJORITY if _VAGUE.fullmatch(name) else _MOST_MARKED
            if low == 0 and high in {0, 1} and mean < most:
                return Guess(name, f"named like a label; {mean:.2%} of the rows are marked")
        return Guess(None, "no column is named like a label and holds 0 and 1")

    def _states(self, distinct: dict[str, int], taken: set[str | None], rows: int) -> list[State]:
        found = []
        for name, count in distinct.items():
            if name in taken or not 1 < count <= _MOST_STATES or not _STATE.search(name):
                continue
            cell = identifier(name)
            counted = self._connection.execute(
                f"SELECT {cell}, count(*) FROM {self._from} WHERE {cell} IS NOT NULL "
                f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MOST_STATES}"
            ).fetchall()
            shares = tuple((value, number / rows) for value, number in counted)
            found.append(State(name, shares, self.types[name] == "VARCHAR"))
        return found

    def _ask(self, what: str) -> tuple[Any, ...]:
        found = self._connection.execute(f"SELECT {what} FROM {self._from}").fetchone()
        assert found is not None, "an aggregate has a row"
        return found
