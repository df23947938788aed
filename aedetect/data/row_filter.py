"""The condition of `[data] normal`: SQL over the columns of one row, and nothing else.

A configuration may come from somebody else. What it asks of DuckDB must neither read files nor
depend on the clock, on chance or on other rows: the same data give the same detector.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from aedetect.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

_KINDS = {
    *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT"),
    *("FUNCTION", "OPERATOR", "TYPE"),
}
# Of DuckDB's own macros those that see one row alone; most others ask the catalogue or the clock.
_MACROS = {"date_add", "days_in_month", "fdiv", "fmod", "if", "nullif", "split_part"}
# DuckDB calls them consistent; they hold the clock, the version, or plan what they are given.
_INCONSISTENT = {"age", "invoke", "version"}
_INTERNAL = ("__", "current_", "json_deserialize", "json_serialize", "parse_duckdb")
_EXAMPLE = "write for example \"state = 'on'\""


def columns_in(connection: duckdb.DuckDBPyConnection, condition: str) -> set[str]:
    """Return the columns that a SQL condition mentions.

    Raises ConfigError when it is not SQL, or more than an expression over the columns of a row.
    """
    tree = _parsed(connection, f"({condition})")
    if tree.get("error"):
        raise ConfigError(
            f"[data] normal must be a SQL condition, got {condition} "
            f"({tree.get('error_message', 'not SQL')}); {_EXAMPLE}"
        )
    # What closes our parenthesis, or comments it out, is no condition by itself.
    if _plain(tree) != _plain(_parsed(connection, condition)) or len(tree["statements"]) != 1:
        _refuse(condition, "it is no condition by itself")
    node = tree["statements"][0]["node"]
    if node["type"] != "SELECT_NODE" or node["from_table"]["type"] != "EMPTY":
        _refuse(condition, "it is a query")
    expressions = list(_expressions(node["where_clause"]))
    for each in expressions:
        if each["class"] not in _KINDS:
            what = each["class"].lower().replace("_", " ")
            _refuse(condition, f"a {what} is no expression over one row")
        if each["class"] == "FUNCTION" and not _is_deterministic(connection, each):
            _refuse(
                condition,
                f"{each['function_name']} is no function of the row's values alone, or unknown",
            )
    return {".".join(each["column_names"]) for each in expressions if "column_names" in each}


def _parsed(connection: duckdb.DuckDBPyConnection, condition: str) -> dict[str, Any]:
    question = "SELECT json_serialize_sql(?)"
    answer = connection.execute(question, [f"SELECT 1 WHERE {condition}"]).fetchall()[0][0]
    return dict(json.loads(answer))


def _plain(tree: Any) -> Any:
    """Return a tree without the places in the text."""
    if isinstance(tree, dict):
        return {k: _plain(v) for k, v in tree.items() if not k.startswith("query_location")}
    return [_plain(each) for each in tree] if isinstance(tree, list) else tree


def _expressions(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "class" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _expressions(child)


def _is_deterministic(connection: duckdb.DuckDBPyConnection, call: dict[str, Any]) -> bool:
    """Whether a function gives the same for the same row, whenever and wherever it is asked."""
    name = call["function_name"].lower()
    if name in _INCONSISTENT or name.startswith(_INTERNAL) or call["schema"] not in {"", "main"}:
        return False
    question = (
        "SELECT function_type, coalesce(stability, '') FROM duckdb_functions() "
        "WHERE lower(function_name) = ? AND function_type NOT IN ('pragma', 'table')"
    )
    kinds = set(connection.execute(question, [name]).fetchall())
    if name in _MACROS:
        return bool(kinds)
    return kinds == {("scalar", "CONSISTENT")}


def _refuse(condition: str, why: str) -> NoReturn:
    raise ConfigError(
        f"[data] normal must hold or not for each row, by its columns alone, got {condition} "
        f"({why}); {_EXAMPLE}"
    )
