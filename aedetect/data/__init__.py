"""Input tables: find the files, read their schema, and read their rows in order."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.data.reader import open_engine, read_rows
    from aedetect.data.rows import Rows
    from aedetect.data.schema import Feature, Schema
    from aedetect.data.sources import Source, SourceFile, find_files
    from aedetect.data.sql import Query

__all__ = [
    "Feature",
    "Query",
    "Rows",
    "Schema",
    "Source",
    "SourceFile",
    "find_files",
    "open_engine",
    "read_rows",
]

__getattr__ = on_first_use(
    __name__,
    {
        "reader": ("open_engine", "read_rows"),
        "rows": ("Rows",),
        "schema": ("Feature", "Schema"),
        "sources": ("Source", "SourceFile", "find_files"),
        "sql": ("Query",),
    },
)
