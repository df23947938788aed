"""The fields of objects in JSON, as DuckDB describes them."""

from __future__ import annotations

from collections.abc import Iterator


def struct_fields(kind: str) -> Iterator[tuple[str, str]]:
    """Yield the fields of a STRUCT type of DuckDB, whose own types may have commas.

    >>> list(struct_fields("STRUCT(a DOUBLE, b STRUCT(c INTEGER, d DECIMAL(4,1)))"))
    [('a', 'DOUBLE'), ('b', 'STRUCT(c INTEGER, d DECIMAL(4,1))')]
    """
    depth, start, inner = 0, 0, kind[len("STRUCT(") : -1]
    for place, sign in enumerate(inner + ","):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            name, _, own = inner[start:place].strip().partition(" ")
            yield name.strip('"'), own
            start = place + 1
