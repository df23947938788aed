"""The time zone of the timestamps of files."""

from __future__ import annotations

from collections.abc import Iterable

from aedetect.data.sources import SourceFile
from aedetect.wall_clock import UTC_NAME, known_zone


def own_zone(files: Iterable[SourceFile]) -> str | None:
    """Return the zone of the timestamps: UTC for several, None where they have none."""
    kinds = (file.columns.get(file.time_column) for file in files)
    zones = {known_zone(getattr(kind, "tz", None)) for kind in kinds if kind is not None}
    return zones.pop() if len(zones) == 1 else UTC_NAME
