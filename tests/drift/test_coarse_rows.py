"""Rows an hour apart: a column is judged on blocks of days, and the files of one version count."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.calibration import HeldOut
from aedetect.data import Feature, Rows, Schema
from aedetect.drift import DRIFT, PartitionSums, Profile, find_shifts
from aedetect.output.atomic import Origin
from aedetect.output.partitions import Partition, Span
from aedetect.preprocessing import Preparation, split_by_time
from aedetect.preprocessing.settings import PrepareSettings
from aedetect.scoring.drift_sums import write_drift

HOUR, DAY = 3_600_000_000_000, 86_400_000_000_000
SCHEMA = Schema(
    timestamp="time", aware=False, entity=None, context=(), period=HOUR, max_gap=5 * HOUR,
    features=(Feature("a", "number"), Feature("b", "number")),
)  # fmt: skip


def rows_of(first, days, *, add=0.0):
    """Rows of one series from a day on; column b is moved."""
    count = 24 * days
    values = np.random.default_rng(first).normal(size=(count, 2))
    values[:, 1] += add
    return Rows(
        time=first * DAY + np.arange(count) * HOUR,
        entity=np.zeros(count, dtype=np.int32),
        names=(None,),
        values=values,
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Two quiet weeks and ten days with one column moved, after sixty days of training."""
    learnt = rows_of(0, 60)
    parts = split_by_time(learnt, holdout=0.2, gap=4)
    preparation = Preparation.fit(
        learnt, parts, schema=SCHEMA, settings=PrepareSettings(), missing_limit=HOUR
    )
    held_out = HeldOut.of(np.exp(np.random.default_rng(1).normal(size=1_000)))
    profile = Profile.fit(learnt, preparation, period=HOUR, held_out=held_out)
    assert np.isfinite(profile.limit).all()
    folder = tmp_path_factory.mktemp("coarse")
    for day in range(60, 84):
        sums = PartitionSums(profile, preparation, period=HOUR, length=4)
        rows = rows_of(day, 1, add=2.0 if day >= 74 else 0.0)
        sums.add(rows, np.ones(24, dtype=np.float32), np.full(24, 0.5))
        path = Partition(day * DAY, "day").path(folder, DRIFT)
        path.parent.mkdir(parents=True)
        write_drift([(sums, path, origin(1))])
    return folder


def origin(version):
    """The origin of a file of a version."""
    return Origin(
        model_name="coarse", model_version=version, calibration_version=1, config_hash="",
        lookback=0, max_gap=5 * HOUR, inputs={},
    )  # fmt: skip


def test_a_shift_of_hourly_rows_is_named(output):
    """A day has 24 rows, too few for a distribution; three days have enough."""
    assert find_shifts(output, span=Span(until=74 * DAY)) == []
    (shift,) = find_shifts(output)
    assert (shift.columns, shift.kind) == (("b",), "distribution")
    assert "1970-03-16" >= shift.since >= "1970-03-13"  # the block of the 75th day, or the next
    assert shift.since < shift.named < shift.until
    assert shift.until == "1970-03-25"
    assert sum(shift.distributions[0]["now"]) == 72
    named = [day for day in range(75, 85) if find_shifts(output, span=Span(until=day * DAY))]
    assert min(named) <= 82
