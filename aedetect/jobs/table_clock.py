"""The clock of the table that a configuration is about, and time ranges as people write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.data.discovery import locate_sources
from aedetect.data.sources import open_file
from aedetect.errors import AedetectError
from aedetect.output.catalog import newest_files
from aedetect.output.partitions import SCORES, Span
from aedetect.wall_clock import WallClock, known_zone

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import Schema

_TRIED = 5  # files, of which one should be readable


def table_clock(config: Config, schema: Schema) -> WallClock:
    """Return the clock of scoring: that of `[data] timezone`, else of the training data."""
    return WallClock(config.data.timezone or schema.timezone, schema.aware)


def shown_clock(config: Config) -> WallClock:
    """Return the clock for texts, without a detector.

    In the zone of `[data] timezone`, else of the newest scores, else of the data.
    """
    kind = _scored_type(config.output) or _data_type(config)
    own = getattr(kind, "tz", None)
    zone = config.data.timezone or known_zone(own)
    return WallClock(zone, aware=kind is None or own is not None)


def output_clock(output: Path) -> WallClock:
    """Return the clock of the newest scores of an output."""
    kind = _scored_type(output)
    own = getattr(kind, "tz", None)
    return WallClock(known_zone(own), aware=kind is None or own is not None)


def read_span(config: Config, since: str | None, until: str | None, *, now: datetime) -> Span:
    """Return a time range from texts on the clock of the table. Raises ConfigError."""
    if not since and not until:
        return Span()
    clock = shown_clock(config)
    return Span(*(clock.parse(text, now=now) if text else None for text in (since, until)))


def _scored_type(output: Path) -> pa.DataType | None:
    with suppress(AedetectError):
        for file in newest_files(output, SCORES):
            return file.schema().field("timestamp").type
    return None


def _data_type(config: Config) -> pa.DataType | None:
    """Return the type of the timestamps in one of the first files."""
    with suppress(AedetectError):
        for path, _ in locate_sources(config.train).files[:_TRIED]:
            with suppress(OSError, pa.ArrowException, KeyError), open_file(path) as stream:
                return pq.read_schema(stream).field(config.data.timestamp).type
    return None
