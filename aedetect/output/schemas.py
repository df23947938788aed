"""The columns of scores/, flagged/ and events/, and their categorical values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from aedetect.data import SourceFile
    from aedetect.wall_clock import WallClock

UNSEEN = "unseen entity"  # the reason of rows of an entity that training never saw
SEVERITIES = ("info", "warning", "critical")


@lru_cache  # each partition asks for it
def scores_schema(time: pa.DataType) -> pa.Schema:
    """Columns of scores/."""
    return pa.schema(
        [
            ("timestamp", time),
            ("entity", pa.string()),
            ("score", pa.float32()),
            ("p_value", pa.float64()),
            ("verdict", pa.string()),
            ("reason", pa.string()),
        ]
    )


@lru_cache
def flagged_schema(time: pa.DataType) -> pa.Schema:
    """Columns of flagged/."""
    return pa.schema(
        [
            *scores_schema(time),
            ("threshold", pa.float64()),
            ("strength", pa.float64()),
            ("severity", pa.string()),
            ("event_id", pa.string()),
            ("causes", CAUSES),
            ("blame", pa.float32()),
            ("outside", OUTSIDE),
            ("model_name", pa.string()),
            ("model_version", pa.int32()),
            ("calibration_version", pa.int32()),
        ]
    )


def time_type(files: Sequence[SourceFile], clock: WallClock | None = None) -> pa.DataType:
    """Return the timestamp type of the output: the files' finest unit, and the zone of the clock.

    Without a clock, the zone of the files.
    """
    kinds = [file.columns[file.time_column] for file in files]
    units = [getattr(kind, "unit", "s") if pa.types.is_timestamp(kind) else "s" for kind in kinds]
    zones = {getattr(kind, "tz", None) for kind in kinds}
    unit = max(units, key=("s", "ms", "us", "ns").index)
    zone = zones.pop() if len(zones) == 1 else "UTC"
    known = clock is not None and clock.aware and clock.zone is not None
    return pa.timestamp(unit, tz=clock.zone if clock is not None and known and zone else zone)


@lru_cache
def events_schema(time: pa.DataType) -> pa.Schema:
    """Columns of events/."""
    return pa.schema(
        [
            ("event_id", pa.string()),
            ("incident_id", pa.string()),
            ("entity", pa.string()),
            ("start", time),
            ("end", time),
            ("rows", pa.int64()),
            ("peak_timestamp", time),
            ("peak_score", pa.float32()),
            ("threshold", pa.float64()),
            ("p_value", pa.float64()),
            ("strength", pa.float32()),
            ("severity", pa.string()),
            ("causes", CAUSES),
            ("text", pa.string()),
            ("suppressed", pa.string()),
            ("model_name", pa.string()),
            ("model_version", pa.int32()),
            ("calibration_version", pa.int32()),
        ]
    )


IN_ITSELF, GIVEN_OTHERS = "in itself", "given the others"  # how the value of a cause is unusual


CAUSE = pa.struct(
    [
        ("feature", pa.string()),
        ("share", pa.float64()),
        ("observed", pa.float64()),
        ("expected", pa.float64()),
        ("unusual", pa.string()),
    ]
)


CAUSES = pa.list_(CAUSE)


OUTSIDE = pa.list_(
    pa.struct([("feature", pa.string()), ("low", pa.float64()), ("high", pa.float64())])
)


NORMAL, ANOMALY, NOT_SCORED = "normal", "anomaly", "not_scored"


IS_FAR = " is far beyond its training range"  # likewise, of a row with a value far out
LEVEL_SHIFTED = "level has shifted: "  # at the begin of the text of an event that lasts
IS_MISSING = " is missing"  # at the end of the reason of a row that reports the loss of a column


SUPPRESSED = "suppressed"  # scored, but not reported as an anomaly
