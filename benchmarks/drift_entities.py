"""What drift costs with many entities: python benchmarks/drift_entities.py [--entities 20000].

Sums of one quiet day are written, as a scoring run writes them, and stand for all days but the last
four, on which a part of the entities has moved. Printed: the seconds of a processor that the sums
of a day take, those in which it is decided what has shifted, and the memory of the process.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from aedetect.calibration import HeldOut
from aedetect.data import Feature, Rows, Schema
from aedetect.drift import DRIFT, PartitionSums, Profile, find_shifts
from aedetect.output.atomic import Origin
from aedetect.output.partitions import Partition
from aedetect.preprocessing import Preparation, split_by_time
from aedetect.preprocessing.settings import PrepareSettings
from aedetect.scoring.drift_sums import write_drift

DAY = 86_400_000_000_000
LEARNT, SHIFTED = 20, 4  # days
AT_ONCE = 500  # entities that are added together
ORIGIN = Origin(
    model_name="many", model_version=1, calibration_version=1, config_hash="", lookback=0,
    max_gap=0, inputs={},
)  # fmt: skip


def rows_of(names: list[str], first: int, days: int, *, a_day: int, columns: int) -> Rows:
    """Return rows of entities, evenly over some days."""
    count = a_day * days
    random = np.random.default_rng(first)
    return Rows(
        time=np.tile(first * DAY + np.arange(count) * (DAY // a_day), len(names)),
        entity=np.repeat(np.arange(len(names), dtype=np.int32), count),
        names=tuple(names),
        values=random.normal(size=(count * len(names), columns)),
    )


def learnt(names: list[str], *, a_day: int, columns: int) -> tuple[Profile, Preparation, Schema]:
    """Return what is known of the training days of fifty entities, which all share."""
    schema = Schema(
        timestamp="time", aware=False, entity="unit", context=(), period=DAY // a_day,
        max_gap=DAY, features=tuple(Feature(f"c{at}", "number") for at in range(columns)),
    )  # fmt: skip
    rows = rows_of(names[:50], 0, LEARNT, a_day=a_day, columns=columns)
    parts = split_by_time(rows, holdout=0.2, gap=4)
    settings = PrepareSettings(per_entity=False)
    preparation = Preparation.fit(
        rows, parts, schema=schema, settings=settings, missing_limit=schema.period
    )
    scores = np.exp(0.3 * np.random.default_rng(1).normal(size=5_000))
    held_out = HeldOut.of(scores)
    profile = Profile.fit(rows, preparation, period=schema.period, held_out=held_out)
    return profile, preparation, schema


def write_day(
    sums: PartitionSums, names: list[str], path: Path, *, a_day: int, columns: int, moved: int
) -> None:
    """Write the sums of a day, of which the first entities have moved."""
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        rows = rows_of(some, LEARNT, 1, a_day=a_day, columns=columns)
        own = rows.entity + start < moved
        rows.values[own, 0] += 3.0
        score = np.where(own, 4.0, 1.0).astype(np.float32)
        sums.add(rows, score, np.where(own, 1e-4, 0.5))
    path.parent.mkdir(parents=True)
    write_drift([(sums, path, ORIGIN)])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--rows", type=int, default=144, help="of an entity in a day")
    parser.add_argument("--days", type=int, default=92)
    parser.add_argument("--moved", type=float, default=0.01, help="share of the entities")
    asked = parser.parse_args()
    names = [f"P-{at:06d}" for at in range(asked.entities)]
    sizes = {"a_day": asked.rows, "columns": asked.columns}
    profile, preparation, schema = learnt(names, **sizes)
    with tempfile.TemporaryDirectory() as name:
        output, begun = Path(name), time.process_time()
        written = []
        for day, moved in ((0, 0.0), (asked.days - SHIFTED, asked.moved)):
            sums = PartitionSums(profile, preparation, period=schema.period, length=4)
            path = Partition((LEARNT + day) * DAY, "day").path(output, DRIFT)
            write_day(sums, names, path, **sizes, moved=int(moved * len(names)))
            written.append(path)
        took = (time.process_time() - begun) / len(written)
        size = written[0].stat().st_size / 1e6
        print(f"sums of a day: {took:.1f} s of a processor, a file of {size:.1f} MB", flush=True)
        for day in range(asked.days):
            path = Partition((LEARNT + day) * DAY, "day").path(output, DRIFT)
            if not path.exists():
                path.parent.mkdir(parents=True)
                os.link(written[day >= asked.days - SHIFTED], path)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        begun = time.process_time()
        found = find_shifts(output)
        took = time.process_time() - begun
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(f"{len(found):,} shifts decided in {took:.1f} s of a processor")
        print(f"memory: {before:.0f} MB before, {after:.0f} MB at most")
        print(found[0].text if found else "nothing")


if __name__ == "__main__":
    main()
