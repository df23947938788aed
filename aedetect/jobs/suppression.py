"""What suppresses rows of a scoring run, from the configuration."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from aedetect.jobs.table_clock import table_clock
from aedetect.scoring.plan import time_extent
from aedetect.scoring.suppression import Suppression, check_features, read_suppression

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import Schema, Source
    from aedetect.output import Partition


def suppression_of(
    config: Config, schema: Schema, source: Source, existing: Collection[Partition]
) -> Suppression:
    """Read what suppresses rows in any existing or due partition."""
    start, end = time_extent(source.files, existing)
    suppression = read_suppression(
        config.events, config.maintenance, start=start, end=end, clock=table_clock(config, schema)
    )
    check_features(suppression, schema)
    return suppression
