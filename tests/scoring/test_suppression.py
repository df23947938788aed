"""Suppression of scored rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.data import Rows
from aedetect.errors import ConfigError
from aedetect.scoring import score_rows
from aedetect.scoring.maintenance import Interval
from aedetect.scoring.suppression import Suppression, check_features
from aedetect.timestamps import NANOSECONDS

MINUTE = NANOSECONDS["min"]


@pytest.fixture(scope="module")
def rows(make_frame):
    """Twenty rows of two units; `a` is far too high in one, `b` far too low in another, or both."""
    frame = make_frame(start="2026-02-01", rows=20, features=("a", "b"))
    values = np.ascontiguousarray(frame[["a", "b"]].to_numpy())
    values[10, 0] += 4
    values[30, 1] -= 8
    values[16] += [4, -8]
    return Rows(
        time=frame["time"].to_numpy().astype("datetime64[ns]").astype(np.int64),
        entity=np.repeat(np.array([0, 1], dtype=np.int32), 20),
        names=("east", "west"),
        values=values,
    )


def scored(detector, rows, **suppression):
    """Score all rows."""
    wanted = np.ones(len(rows), dtype=np.bool_)
    return score_rows(detector, rows, wanted, Suppression(**suppression))


def of_one_unit(make_frame, count):
    """Some later rows of "east"."""
    frame = make_frame(start="2026-02-01", rows=count, units=("east",))
    return Rows(
        time=frame["time"].to_numpy().astype("datetime64[ns]").astype(np.int64),
        entity=np.zeros(count, dtype=np.int32),
        names=("east",),
        values=np.ascontiguousarray(frame[["a", "b"]].to_numpy()),
    )


def suppressed_rows(found):
    """The suppressed rows, with the reasons."""
    verdicts, reasons = found.verdict.to_pylist(), found.reason_text.to_pylist()
    return {row: reasons[row] for row, verdict in enumerate(verdicts) if verdict == "suppressed"}


def test_nothing_is_suppressed_by_default(detector, rows):
    """The three rows are anomalies."""
    found = scored(detector, rows)
    assert suppressed_rows(found) == {}
    assert {10, 16, 30} <= set(found.flagged.tolist())


@pytest.mark.parametrize(
    ("key", "pattern", "silent"),
    [
        ("ignore", "a", {10: "a"}),
        ("ignore", "b", {30: "b"}),
        ("ignore", "?", {10: "a, b", 16: "a, b", 30: "b"}),
        ("only_above", "b", {30: "b"}),
        ("only_above", "a", {}),
        ("only_below", "a", {10: "a"}),
        ("only_below", "b", {}),
    ],
)
def test_rows_anomalous_only_by_ignored_features_are_suppressed(
    detector, rows, key, pattern, silent
):
    """A row that is anomalous by another feature too is still flagged."""
    found = scored(detector, rows, **{key: (pattern,)})
    reasons = suppressed_rows(found)
    assert {row: reasons.get(row) for row in (10, 16, 30)} == {
        row: f"only ignored features: {silent[row]}" if row in silent else None
        for row in (10, 16, 30)
    }
    assert not set(reasons) & set(found.flagged.tolist())


def test_scores_are_kept(detector, rows):
    """To the last bit; details of flagged rows are those of the remaining ones."""
    plain, found = scored(detector, rows), scored(detector, rows, ignore=("a",))
    assert plain.score.tobytes() == found.score.tobytes()
    assert plain.p_value.tobytes() == found.p_value.tobytes()
    left = np.isin(plain.flagged, found.flagged)
    np.testing.assert_array_equal(plain.errors[left], found.errors)


def test_ignoring_all_features_flags_nothing(detector, rows):
    """With any score that consists of features' parts."""
    assert len(scored(detector, rows, ignore=("*",)).flagged) == 0


def test_planned_work_suppresses_every_scored_row(detector, rows):
    """From its start to before its end, of its entity; rows without a score stay as they are."""
    detector = replace(detector, scorer=replace(detector.scorer, score="mse"))
    start = int(rows.time[0])
    work = (
        Interval(start, start + 11 * MINUTE, "east", "oil"),
        Interval(start + 9 * MINUTE, start + 11 * MINUTE, "", ""),
    )
    found = scored(detector, rows, intervals=work)
    length = detector.scorer.length
    expected = dict.fromkeys(range(length - 1, 11), "maintenance: oil")
    expected |= {29: "maintenance", 30: "maintenance"}
    beside = "window holds rows of maintenance"
    expected |= dict.fromkeys(range(11, 11 + length - 1), f"{beside}: oil")
    expected |= dict.fromkeys(range(31, 31 + length - 1), beside)
    assert suppressed_rows(found) == expected
    assert found.verdict.to_pylist()[: length - 1] == ["not_scored"] * (length - 1)
    assert np.isfinite(found.score[list(expected)]).all()
    assert 16 in found.flagged
    assert 10 not in found.flagged


def test_rows_beside_planned_work_are_judged_where_no_window_holds_it(detector, rows):
    """After a gap; and a row that breaks a column rule by itself is flagged all the same."""
    start, length = int(rows.time[0]), detector.scorer.length
    work = (Interval(start, start + 10 * MINUTE, "east", ""),)
    apart = replace(rows, time=rows.time + np.where(np.arange(40) >= 10, 60 * MINUTE, 0))
    assert max(suppressed_rows(scored(detector, apart, intervals=work))) < 10
    rules = replace(
        detector.scorer.rules, constant=np.full_like(detector.scorer.rules.constant, np.nan)
    )
    rules.constant[:, 1] = rows.values[11, 1] + 1
    odd = replace(detector, scorer=replace(detector.scorer, rules=rules))
    found = scored(odd, rows, intervals=work)
    assert set(range(10, 10 + length - 1)) <= set(found.flagged.tolist())
    assert max(suppressed_rows(found)) < 10


def test_no_event_begins_after_planned_work_by_its_rows_alone(make_frame, train_on):
    """Their errors are in the mean of the rows that follow, which are normal themselves."""
    keys = {"score": "mse", "alignment": "causal", "smooth": 4}
    detector = train_on(
        make_frame(rows=300), model={"variant": "linear"}, calibration=keys
    ).detector
    rows = of_one_unit(make_frame, 40)
    rows.values[10:20] += 8
    work = (Interval(int(rows.time[10]), int(rows.time[20]), "", "oil"),)
    after = range(20, 20 + detector.scorer.reach[0])
    assert 20 in scored(detector, rows).flagged
    found = scored(detector, rows, intervals=work)
    assert not set(found.flagged.tolist()) & set(range(10, after.stop))
    reasons = suppressed_rows(found)
    assert {reasons[row] for row in after} == {"window holds rows of maintenance: oil"}
    assert max(reasons) == after[-1]


def test_a_sensor_that_planned_work_leaves_dead_is_reported_after_it(detector, make_frame):
    """In the first row after the work; its loss within the work is suppressed."""
    rows = of_one_unit(make_frame, 60)
    rows.values[15:, 1] = np.nan  # filled forward for ten minutes
    work = (Interval(int(rows.time[10]), int(rows.time[40]), "", "oil"),)
    plain, found = scored(detector, rows), scored(detector, rows, intervals=work)
    lost = [
        [row for row, reason in enumerate(each.reason_text.to_pylist()) if reason == "b is missing"]
        for each in (plain, found)
    ]
    assert lost == [[25], [40]]
    assert 40 in found.flagged


def test_windows_on_both_sides_touch_planned_work_when_rows_are_centered(make_frame, train_on):
    """Rows before the work are not judged either; smoothing reaches further."""
    keys = {"score": "mse", "alignment": "centered", "smooth": 3}
    trained = train_on(make_frame(rows=300), model={"variant": "linear"}, calibration=keys).detector
    rows = of_one_unit(make_frame, 40)
    start, (before, after) = int(rows.time[0]), trained.scorer.reach
    assert min(before, after) > 0
    work = (Interval(start + 20 * MINUTE, start + 22 * MINUTE, "", ""),)
    found = scored(trained, rows, intervals=work)
    assert set(suppressed_rows(found)) == set(range(20 - after, 22 + before))


def test_planned_work_is_the_reason_where_there_are_two(detector, rows):
    """It is the one entered for this time."""
    detector = replace(detector, scorer=replace(detector.scorer, score="mse"))
    start = int(rows.time[0])
    work = (Interval(start, start + 11 * MINUTE, "", "oil"),)
    found = scored(detector, rows, intervals=work, ignore=("a", "b"))
    assert (suppressed_rows(found)[10], suppressed_rows(found)[16]) == ("maintenance: oil",
                                                    "only ignored features: a, b")  # fmt: skip


def test_a_partition_depends_on_what_concerns_it():
    """Work at other times, or the part of it at other times, has no effect."""
    work = Suppression(intervals=(Interval(10, 20, "", "a"), Interval(40, 50, "", "b")))
    inside = work.within(15, 40)
    assert inside.intervals == (Interval(15, 20, "", "a"),)
    longer = replace(work, intervals=(Interval(5, 20, "", "a"), Interval(40, 60, "", "c")))
    assert longer.within(15, 40).inputs == inside.inputs != work.within(15, 41).inputs
    assert work.within(20, 40).inputs == {} == Suppression().inputs
    keys = ("ignore", "only_above", "only_below")
    made = [Suppression(**{key: ("a",)}).inputs["[events] ignore"] for key in keys]
    assert len(set(made)) == 3


def test_unknown_features_are_refused(detector):
    """With the nearest name; a pattern must match a feature too."""
    schema = detector.scorer.schema
    check_features(Suppression(ignore=("a", "?"), only_above=("b",)), schema)
    for wrong in ("c", "z*"):
        with pytest.raises(ConfigError, match=r'\[events\] only_below must name features .* "'):
            check_features(Suppression(only_below=(wrong,)), schema)


def test_a_text_has_no_direction(make_frame, train_on):
    """It can be ignored, but not above or below."""
    frame = make_frame(rows=300)
    frame["mode"] = np.where(frame["a"] > 0, "fast", "eco")
    schema = train_on(frame, model={"variant": "linear"}).detector.scorer.schema
    check_features(Suppression(ignore=("mode",)), schema)
    with pytest.raises(ConfigError, match="must name numbers, but mode is text"):
        check_features(Suppression(only_above=("m*",)), schema)
