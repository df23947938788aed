"""Where the output may lie: not where it would be read as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aedetect.data.containment import would_find
from aedetect.errors import ConfigError
from aedetect.output import Partition
from aedetect.output.atomic import PART
from aedetect.output.partitions import EVENTS, FLAGGED, SCORES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aedetect.config import Config


def check_output(config: Config) -> None:
    """Raise ConfigError when what is written would be found among the data that are read.

    Verdicts would be learnt from, or scored, or quarantined as files of another kind in every run.
    """
    given = {"[data] train": config.train}
    if config.scoring.input:
        given["[scoring] input"] = config.input
    for setting, locations in given.items():
        for location in locations:
            if any(would_find(location, path) for path in _written(config)):
                raise ConfigError(
                    f"[scoring] output must lie outside of what is read, got {config.output}, "
                    f"which {setting} = {location} would read: name a folder beside it, or one "
                    "below it whose name begins with _"
                )


def _written(config: Config) -> Iterator[str]:
    """Give paths such as those of the files that runs will write."""
    partition = Partition(0, config.scoring.partition)
    for kind in (SCORES, FLAGGED, EVENTS):
        yield str(config.output / kind / partition.folder / PART)
