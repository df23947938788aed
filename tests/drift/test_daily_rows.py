"""One row a day: columns are judged on blocks of two weeks."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from aedetect.calibration import HeldOut
from aedetect.data import Feature, Rows, Schema
from aedetect.drift import (
    DRIFT,
    PartitionSums,
    Profile,
    find_shifts,
    unjudged,
    why_no_column,
)
from aedetect.drift.binning import farthest_index, stability_index
from aedetect.output.atomic import Origin
from aedetect.output.partitions import Partition, Span
from aedetect.preprocessing import Preparation, split_by_time
from aedetect.preprocessing.settings import PrepareSettings
from aedetect.scoring.drift_sums import write_drift
from aedetect.wall_clock import WallClock

DAY, LEARNT, QUIET = 86_400_000_000_000, 406, 56
UNITS = ("east", "west")
SCHEMA = Schema(
    timestamp="time", aware=False, entity="unit", context=(), period=DAY, max_gap=5 * DAY,
    features=(Feature("a", "number"), Feature("b", "number")),
)  # fmt: skip


def rows_of(first, days, *, add=0.0):
    """Rows of two units from a day on; column b of the first is moved."""
    values = np.random.default_rng(first).normal(size=(2 * days, 2))
    values[:days, 1] += add
    return Rows(
        time=np.tile((first + np.arange(days)) * DAY, 2),
        entity=np.repeat(np.arange(2, dtype=np.int32), days),
        names=UNITS,
        values=values,
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Eight quiet weeks and a month with one column moved by three spreads, after 29 blocks."""
    learnt = rows_of(0, LEARNT)
    preparation = Preparation.fit(
        learnt, split_by_time(learnt, holdout=0.2, gap=4), schema=SCHEMA,
        settings=PrepareSettings(), missing_limit=DAY,
    )  # fmt: skip
    held_out = HeldOut.of(np.exp(np.random.default_rng(1).normal(size=100)))
    profile = Profile.fit(learnt, preparation, period=DAY, held_out=held_out)
    assert np.isfinite(profile.limit).all()
    folder = tmp_path_factory.mktemp("daily")
    for day in range(LEARNT, LEARNT + QUIET + 31):
        sums = PartitionSums(profile, preparation, period=DAY, length=4)
        rows = rows_of(day, 1, add=3.0 if day >= LEARNT + QUIET else 0.0)
        sums.add(rows, np.ones(2, dtype=np.float32), np.full(2, 0.5))
        path = Partition(day * DAY, "day").path(folder, DRIFT)
        path.parent.mkdir(parents=True)
        write_drift([(sums, path, origin())])
    return folder


def origin():
    """The origin of a file."""
    return Origin(
        model_name="daily", model_version=1, calibration_version=1, config_hash="",
        lookback=0, max_gap=5 * DAY, inputs={},
    )  # fmt: skip


def test_a_shift_of_daily_rows_is_named(output):
    """Within a month while scores do not rise, and nothing before it."""
    assert find_shifts(output, span=Span(until=(LEARNT + QUIET) * DAY)) == []
    (shift,) = find_shifts(output)
    assert (shift.entity, shift.columns) == ("east", ("b",))
    assert shift.since >= str(np.datetime64("1970-01-01") + (LEARNT + QUIET - 14))
    assert sum(shift.distributions[0]["now"]) <= 14


def test_what_is_not_judged_is_said(output, tmp_path):
    """Of half a block no column is judged yet; without an output nothing is."""
    half = Span(until=(LEARNT + QUIET + 20) * DAY)
    assert list(unjudged(output, span=Span(), clock=WallClock())) == []
    (text,) = unjudged(output, span=half, clock=WallClock())
    assert text == "columns of the last day, which began on 1971-04-25, are judged when it is over"
    (text,) = unjudged(tmp_path, span=half, clock=WallClock())
    assert text.startswith("nothing is judged")


def test_a_limit_that_no_day_reaches_is_said(output, tmp_path):
    """Of a column whose training days were as different as bins can tell, as by a season."""
    shutil.copytree(output, tmp_path / "out")
    last = sorted((tmp_path / "out").rglob("*.parquet"))[-28:]
    for path in last:
        table = pq.read_table(path, partitioning=None)
        of_b = pc.fill_null(pc.equal(table["column"], "b"), fill_value=False)
        limit = pc.if_else(of_b, 50.0, table["psi_limit"])
        place = table.column_names.index("psi_limit")
        pq.write_table(table.set_column(place, table.schema.field("psi_limit"), limit), path)
    (text,) = unjudged(tmp_path / "out", span=Span(), clock=WallClock())
    assert text.startswith("the distribution of b is not judged")
    counts = np.random.default_rng(0).integers(0, 40, size=(200, 16))
    usual = np.random.default_rng(1).integers(1, 90, size=(200, 16)).astype(float)
    assert (stability_index(counts, usual) < farthest_index(usual)).all()


def test_training_that_is_too_short_is_told_before_it():
    """Of daily rows six weeks are needed, and weekly ones are too few in any time."""
    assert why_no_column(np.arange(42) * DAY, period=DAY) is None
    assert "42 days of training are needed, there are 41" in (
        why_no_column(np.arange(41) * DAY, period=DAY) or ""
    )
    assert "7 days apart" in (why_no_column(np.arange(99) * 7 * DAY, period=7 * DAY) or "")
