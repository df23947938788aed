"""Which partitions exist in an output, where, and what each was made from."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aedetect.errors import OutputError
from aedetect.output.atomic import PART, Origin, read_origin
from aedetect.output.filesystem import parquet_files
from aedetect.output.partitions import (
    EVENTS,
    FLAGGED,
    SCORES,
    Partition,
    PartitionBy,
    parse_folder,
)


def read_origins(output: Path, *, by: PartitionBy) -> dict[Partition, Origin | None]:
    """Read what the partitions that exist were made from; None when one of its files is missing.

    Events are formed from the other two and may be missing: that is no reason to score again.
    Raises OutputError when the output is partitioned otherwise, or was not written by aedetect.
    """
    scores, flagged, events = (
        list_partitions(output / kind, by=by) for kind in (SCORES, FLAGGED, EVENTS)
    )
    either = events | flagged | scores
    with ThreadPoolExecutor(max_workers=4) as pool:
        origins = dict(zip(either, pool.map(read_origin, either.values()), strict=True))
    whole = scores.keys() & flagged.keys()
    return {partition: origins[partition] if partition in whole else None for partition in either}


def list_partitions(root: Path, *, by: PartitionBy) -> dict[Partition, Path]:
    """List the files of one kind of output; raise OutputError when one is not ours."""
    paths = parquet_files(root)
    found = [(parse_folder(str(path.parent.relative_to(root))), path) for path in paths]
    if foreign := [path for at, path in found if at is None or path.name != PART]:
        raise OutputError(
            f"{foreign[0]} was not written by aedetect: move it away, or choose another [scoring] "
            "output"
        )
    if other := [path for at, path in found if at is not None and at.by != by]:
        raise OutputError(
            f'the output must be partitioned by "{by}", but there is {other[0]}: choose '
            "another [scoring] output, or the partition it was written with"
        )
    return {at: path for at, path in found if at is not None}


def check_owner(written: Mapping[Partition, Origin | None], *, model_name: str) -> None:
    """Raise OutputError when the output holds the scores of another detector."""
    others = {origin.model_name for origin in written.values() if origin} - {model_name}
    if others:
        raise OutputError(
            f'the output folder holds scores of "{min(others)}", not of "{model_name}": give each '
            "detector a [scoring] output of its own"
        )
