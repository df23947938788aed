"""Plans: current inputs of partitions, compared with the inputs they were computed from."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from aedetect.data import find_files
from aedetect.data.sources import fingerprint_files
from aedetect.errors import OutputError
from aedetect.output import Origin, read_origins
from aedetect.output.catalog import PartitionOrigins, check_owner
from aedetect.output.partitions import FLAGGED, SCORES, Span, partition_at
from aedetect.scoring import Plan, make_plan
from aedetect.scoring.plan import quarantine
from aedetect.timestamps import NANOSECONDS, parse_instant

LOOKBACK = NANOSECONDS["h"]


def deliver(folder, name, *times):
    """Write a file with rows at given times."""
    folder.mkdir(exist_ok=True)
    table = pd.DataFrame(
        {
            "time": pd.DatetimeIndex([pd.Timestamp(each) for each in times]).astype(
                "datetime64[us]"
            ),
            "x": 1.0,
        }
    )
    table.to_parquet(folder / name, index=False)


@pytest.fixture
def incoming(tmp_path):
    """Two complete days, one file each."""
    folder = tmp_path / "incoming"
    deliver(folder, "1.parquet", "2026-01-01T00:00", "2026-01-01T23:59")
    deliver(folder, "2.parquet", "2026-01-02T00:00", "2026-01-02T23:59")
    return folder


def day(text):
    """Return the partition of a day."""
    return partition_at(parse_instant(text), "day")


def planned(folder, written=(), **options) -> Plan:
    """Plan with a lookback of an hour."""
    source = find_files([str(folder)], timestamp="time")
    options = {"lookback": LOOKBACK, "span": Span(), "force": False} | options
    aside = options.pop("aside", {})
    by = options.pop("by", "day")
    source = quarantine(source, aside)
    made = {partition: whole(origin) for partition, origin in dict(written).items()}
    return make_plan(source, fingerprint_files(source.files), made, by=by, **options)


def whole(origin):
    """Return the origin of the files of a partition, if it is common."""
    return origin if isinstance(origin, PartitionOrigins) else PartitionOrigins.of(origin)


def origins(plan, *, lookback=LOOKBACK, lookahead=0, model_version=1):
    """Return the content of the footers after a plan is executed."""
    return {
        unit.partition: Origin(
            model_name="pump",
            model_version=model_version,
            calibration_version=1,
            config_hash="c",
            lookback=lookback,
            lookahead=lookahead,
            max_gap=NANOSECONDS["min"],
            inputs=unit.inputs,
        )
        for unit in plan.compute
    }


def days(units):
    """Return the days of units as text."""
    return [str(unit.partition) for unit in units]


def test_new_partitions_are_computed_with_their_context(incoming):
    """The inputs of a day are its own file and the one that ends within the lookback."""
    plan = planned(incoming)
    assert days(plan.compute) == ["2026-01-01", "2026-01-02"]
    assert [sorted(unit.inputs) for unit in plan.compute] == [
        ["1.parquet"],
        ["1.parquet", "2.parquet"],
    ]


def test_context_ends_with_the_lookback(incoming):
    """A file whose last row is older than that is no input; at exactly that age it is."""
    deliver(incoming, "1.parquet", "2026-01-01T00:00", "2026-01-01T22:59:59")
    assert sorted(planned(incoming).compute[1].inputs) == ["2.parquet"]
    deliver(incoming, "1.parquet", "2026-01-01T00:00", "2026-01-01T23:00")
    assert sorted(planned(incoming).compute[1].inputs) == ["1.parquet", "2.parquet"]


def test_a_lookahead_makes_the_next_file_an_input(incoming):
    """With a lookahead, the next file is an input, if it starts within the lookahead."""
    plan = planned(incoming, lookback=0, lookahead=1)
    assert [sorted(unit.inputs) for unit in plan.compute] == [
        ["1.parquet", "2.parquet"],
        ["2.parquet"],
    ]
    deliver(incoming, "2.parquet", "2026-01-02T00:10", "2026-01-02T23:59")
    ten = NANOSECONDS["min"] * 10
    for ahead, inputs in ((ten, ["1.parquet"]), (ten + 1, ["1.parquet", "2.parquet"])):
        plan = planned(incoming, lookback=0, lookahead=ahead)
        assert sorted(plan.compute[0].inputs) == inputs


def test_written_partitions_keep_the_lookahead_they_were_made_with(incoming):
    """The file of the next day triggers computing only days that were written with lookahead."""
    (incoming / "2.parquet").rename(incoming.parent / "2.parquet")
    causal, ahead = (planned(incoming, lookahead=each) for each in (0, 1))
    (incoming.parent / "2.parquet").rename(incoming / "2.parquet")
    assert days(planned(incoming, origins(causal), lookahead=1).compute) == ["2026-01-02"]
    again = planned(incoming, origins(ahead, lookahead=1), lookahead=1)
    assert days(again.compute) == ["2026-01-01", "2026-01-02"]


def test_carried_out_plan_leaves_nothing_to_do(incoming):
    """A partition with equal fingerprints is current."""
    plan = planned(incoming, origins(planned(incoming)))
    assert (plan.compute, plan.withdraw, plan.deferred, plan.current) == ((), (), (), 2)


def test_written_partitions_keep_the_lookback_they_were_made_with(incoming):
    """A model that looks back further does not make old partitions differ."""
    written = origins(planned(incoming, lookback=0), lookback=0)
    assert [sorted(origin.inputs) for origin in written.values()] == [["1.parquet"], ["2.parquet"]]
    assert planned(incoming, written, lookback=LOOKBACK).compute == ()


def test_another_model_version_changes_nothing(incoming):
    """Partitions are not compared by model."""
    written = origins(planned(incoming), model_version=99)
    assert planned(incoming, written).current == 2


@pytest.mark.parametrize(("version", "computed"), [(1, 0), (2, 2)])
def test_rescored_partitions_are_compared_with_all_current_inputs(incoming, version, computed):
    """Only the output of exactly this model for exactly these files is current."""
    written = origins(planned(incoming))
    rescore_as = replace(next(iter(written.values())), model_version=version, inputs={})
    plan = planned(incoming, written, rescore_as=rescore_as)
    assert (len(plan.compute), plan.current) == (computed, 2 - computed)
    assert len(planned(incoming, written, rescore_as=rescore_as, force=True).compute) == 2


def test_rescored_partitions_are_compared_with_the_current_lookahead(incoming):
    """A model with lookahead has more input files."""
    origin = next(iter(origins(planned(incoming)).values()))
    written = origins(planned(incoming, lookahead=1), lookahead=1)
    same = replace(origin, lookahead=1, inputs={})
    assert planned(incoming, written, lookahead=1, rescore_as=same).current == 2
    less = replace(origin, lookahead=0, inputs={})
    assert len(planned(incoming, written, rescore_as=less).compute) == 2


def test_changed_file_touches_its_day_and_the_next(incoming):
    """All partitions with the file as an input differ."""
    deliver(incoming, "3.parquet", "2026-01-03T00:00", "2026-01-03T23:59")
    written = origins(planned(incoming))
    deliver(incoming, "1.parquet", "2026-01-01T00:00", "2026-01-01T23:58")
    assert days(planned(incoming, written).compute) == ["2026-01-01", "2026-01-02"]


def test_partition_without_rows_is_withdrawn(incoming):
    """It has no input any more; partitions that had it as context are computed again."""
    written = origins(planned(incoming))
    (incoming / "1.parquet").unlink()
    plan = planned(incoming, written)
    assert list(map(str, plan.withdraw)) == ["2026-01-01"]
    assert days(plan.compute) == ["2026-01-02"]


def test_partition_whose_input_is_unreadable_is_held(incoming):
    """It is neither computed without that input nor withdrawn, even if forced."""
    written = origins(planned(incoming))
    plan = planned(incoming, written, aside={"1.parquet": "broken"}, force=True)
    assert list(map(str, plan.deferred)) == ["2026-01-01", "2026-01-02"]
    assert (plan.compute, plan.withdraw) == ((), ())


def torn(written, **flagged):
    """Return the state after a killed run: flagged rows with other inputs than the scores."""
    return {
        partition: PartitionOrigins({SCORES: origin, FLAGGED: replace(origin, **flagged)})
        for partition, origin in written.items()
    }


def test_files_that_disagree_are_computed_again(incoming):
    """Also if the scores are up to date: the input may have been restored."""
    written = origins(planned(incoming))
    for other in (
        {"inputs": {"1.parquet": "other"}},
        {"model_version": 9},
        {"calibration_version": 9},
    ):
        assert len(planned(incoming, torn(written, **other)).compute) == 2
    alone = {partition: PartitionOrigins({SCORES: each}) for partition, each in written.items()}
    assert len(planned(incoming, alone).compute) == 2


def test_files_that_disagree_are_held_when_an_input_of_either_is_unreadable(incoming):
    """The partition is neither computed without that input nor withdrawn."""
    written = torn(origins(planned(incoming)), inputs={"0.parquet": "gone"})
    plan = planned(incoming, written, aside={"0.parquet": "broken"})
    assert (len(plan.deferred), plan.compute, plan.withdraw) == (2, (), ())


def test_force_computes_current_partitions_of_the_span(incoming):
    """Partitions outside of the span are not even counted."""
    written = origins(planned(incoming))
    assert len(planned(incoming, written, force=True).compute) == 2
    span = Span(parse_instant("2026-01-02"), None)
    plan = planned(incoming, written, force=True, span=span)
    assert (days(plan.compute), plan.current) == (["2026-01-02"], 0)


@pytest.mark.parametrize(
    ("since", "until", "covered"),
    [
        (None, None, True),
        ("2026-01-01", None, True),
        ("2026-01-01T23:59", None, True),
        ("2026-01-02", None, False),
        (None, "2026-01-01", False),
        (None, "2026-01-01T00:01", True),
    ],
)
def test_span_is_half_open(since, until, covered):
    """A partition is selected if it overlaps the span; the end is exclusive."""
    span = Span(since and parse_instant(since), until and parse_instant(until))
    assert span.covers(day("2026-01-01")) == covered


def test_days_without_rows_inside_a_file_are_not_due(incoming):
    """A file that spans a week with rows on two days gives two partitions."""
    deliver(incoming, "week.parquet", "2026-02-01T12:00", "2026-02-05T12:00", "2026-02-07T12:00")
    assert days(planned(incoming).compute)[2:] == ["2026-02-01", "2026-02-05", "2026-02-07"]


def test_hours(incoming):
    """Hourly partitions work in the same way."""
    assert days(planned(incoming, by="hour").compute) == [
        "2026-01-01 00",
        "2026-01-01 23",
        "2026-01-02 00",
        "2026-01-02 23",
    ]


def test_file_without_moments_is_no_input(incoming):
    """A file whose timestamps are all missing has no rows in any partition."""
    empty = pd.DataFrame({"time": pd.Series([pd.NaT, pd.NaT], dtype="datetime64[us]"), "x": 1.0})
    empty.to_parquet(incoming / "0.parquet")
    plan = planned(incoming)
    assert len(plan.compute) == 2
    assert all("0.parquet" not in unit.inputs for unit in plan.compute)


def test_corrupt_times_are_named(incoming):
    """If times must be read and cannot be, the file is named, and no other."""
    times = pd.date_range("2026-03-01", periods=50_000, freq="1min")
    deliver(incoming, "long.parquet", *times)
    path = incoming / "long.parquet"
    content = bytearray(path.read_bytes())
    content[10:5_000] = bytes(4_990)
    path.write_bytes(content)
    found = find_files([str(incoming)], timestamp="time")
    assert [each.name for each in found.quarantined] == ["long.parquet"]
    assert found.quarantined[0].reason.startswith("cannot be read to its end")
    assert len(found.files) > 0


def test_output_that_does_not_exist_holds_nothing(tmp_path):
    """A first run finds no scores, and reading creates nothing."""
    assert read_origins(tmp_path / "output", by="day") == {}
    assert list(tmp_path.iterdir()) == []


def test_owner_is_compared_by_name(incoming):
    """Any version of the same detector is accepted; another detector is not."""
    written = {at: whole(each) for at, each in origins(planned(incoming)).items()}
    check_owner(written, model_name="pump")
    with pytest.raises(OutputError, match='scores of "pump", not of "fan"'):
        check_owner(written, model_name="fan")
