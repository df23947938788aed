"""Input tables: find the files, read their schema, and read their rows in order."""

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
