"""Columns that are in the path of a file: key=value folders, as Hive and Spark write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # what Hive and Spark write for a missing key


def hive_keys(name: str) -> dict[str, str | None]:
    """Return the keys and values of key=value folders in a file's name.

    >>> hive_keys("machine=a%20b/date=__HIVE_DEFAULT_PARTITION__/part.parquet")
    {'machine': 'a b', 'date': None}
    """
    pairs = (part.partition("=") for part in PurePosixPath(name).parts[:-1])
    found = {key: unquote(value) for key, sign, value in pairs if sign and key}
    return {key: None if value == _NO_VALUE else value for key, value in found.items()}


def with_keys(name: str, keys: Mapping[str, str | None]) -> str:
    """Return the name of a file with these keys in it, and no others.

    >>> with_keys("day=3/part.parquet", {"machine": "a b", "line": None})
    'machine=a%20b/line=__HIVE_DEFAULT_PARTITION__/day-3/part.parquet'
    >>> with_keys("day=3/part.parquet", {"day": "3"})
    'day=3/part.parquet'
    """
    parts = [part for part in PurePosixPath(name).parts if part not in {"", "/"}]
    folders = [part for part in parts[:-1] if part.partition("=")[0] not in keys]
    written = [
        f"{key}={_NO_VALUE if value is None else quote(value, safe=' ').replace(' ', '%20')}"
        for key, value in keys.items()
    ]
    return "/".join((*written, *(part.replace("=", "-") for part in folders), *parts[-1:]))
