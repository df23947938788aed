"""A file against its own footer: names that are one, pages and moments that are as written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.data.page_checksums import damaged_column
from aedetect.data.time_ranges import Moments, read_moments
from aedetect.errors import UnreadableFile


def check_names(names: Sequence[str]) -> None:
    """Raise UnreadableFile when two columns have one name."""
    if twice := [each for each, uses in Counter(names).items() if uses > 1]:
        raise UnreadableFile(f'has several columns "{twice[0]}": rename all but one')


def trusted_moments(
    stream: IO[bytes], parquet: pq.ParquetFile, timestamp: str, *, step: int
) -> Moments:
    """Read the time column, once the pages are known to be what was written.

    Raises UnreadableFile when they are not.
    """
    if (damaged := damaged_column(stream, parquet.metadata)) is not None:
        raise UnreadableFile(f'has a damaged page in the column "{damaged}" (its checksum differs)')
    try:
        if timestamp not in parquet.schema_arrow.names:
            return Moments()
        return read_moments(parquet, timestamp, step=step)
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFile(f"cannot be read to its end ({error})") from error
