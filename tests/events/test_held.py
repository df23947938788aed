"""Events go on between flagged rows: what is read from scores/, and kept in footers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from flags import FIRST, ORIGIN, SECOND, THIRD, flag, formed, judge, judged, row
from plant import contents

from aedetect.events import EventRules, held
from aedetect.events.held import HELD_KEY, NONE_HELD, find_held, unpack_held
from aedetect.output import OutputFile
from aedetect.output.partitions import EVENTS, FLAGGED, SCORES
from aedetect.timestamps import NANOSECONDS

RULES = EventRules(5 * NANOSECONDS["min"], hold=0.01, stay=5 * NANOSECONDS["min"])
ANOMALY = {"verdict": "anomaly", "p_value": 0.001}


def fill(output, *days):
    """Write scores, and the rows among them that are flagged, of some days."""
    for partition, rows in days:
        judge(output, partition, *rows)
        chosen = [each for each in rows if each["verdict"] == "anomaly"]
        minutes = [(each["timestamp"] - judged(0)["timestamp"]).total_seconds() / 60
                   for each in chosen]  # fmt: skip
        flag(output, partition, *(row(m, each["entity"], reason=each["reason"])
                                  for m, each in zip(minutes, chosen, strict=True)))  # fmt: skip


def days():
    """An incident over three days: flagged before midnight, held for a day, flagged after it."""
    held = [judged(minute) for minute in range(-20, 1470, 5)]
    for place in (0, -1):
        held[place] |= ANOMALY
    other = [judged(minute, p_value=0.5) for minute in range(-22, 1470, 5)]
    west = [judged(minute, entity="west") for minute in range(300, 330)]  # held without a flag
    first = [each for each in (*held, *other) if each["timestamp"] < judged(0)["timestamp"]]
    third = [each for each in (*held, *other) if each["timestamp"] >= judged(1440)["timestamp"]]
    second = [e for e in (*held, *other) if e not in first and e not in third]
    return (FIRST, first), (SECOND, second + west), (THIRD, third)


def events(output):
    """All events, as plain rows."""
    files = sorted((output / EVENTS).rglob("*.parquet"))
    return [each for path in files for each in pq.ParquetFile(path).read().to_pylist()]


def test_an_event_goes_on_through_a_day_without_a_flagged_row(tmp_path):
    """It is one event; without hysteresis it is two."""
    fill(tmp_path, *days())
    formed(tmp_path)
    (event,) = events(tmp_path)
    assert (event["rows"], (event["end"] - event["start"]).total_seconds() / 60) == (2, 1485)
    formed(tmp_path, hold=0)
    assert [each["rows"] for each in events(tmp_path)] == [1, 1]
    formed(tmp_path, hold=0.004)  # the rows between have 0.005
    assert len(events(tmp_path)) == 2


def test_days_in_any_order_give_the_same_files(tmp_path):
    """To the last byte, footers included."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fill(whole, *days())
    formed(whole)
    for day in (days()[2], days()[0], days()[1]):
        fill(parts, day)
        formed(parts)
    for kind in (EVENTS, FLAGGED):
        assert contents(parts / kind) == contents(whole / kind)


def test_an_event_ends_with_the_last_row_that_is_held(tmp_path):
    """Also when that is on a day without a flagged row: a reader of that day finds it."""
    from aedetect.events.table import read_event_table

    fill(tmp_path, (FIRST, [judged(-3, **ANOMALY), judged(-1)]), (SECOND, [judged(3), judged(9)]))
    formed(tmp_path)
    (event,) = events(tmp_path)
    assert event["end"] == judged(3)["timestamp"].replace(tzinfo=None)
    since = SECOND.start + NANOSECONDS["min"]
    assert read_event_table(tmp_path, since=since).num_rows == 1


@pytest.mark.parametrize(
    "gap",
    [
        judged(10, verdict="suppressed", reason="maintenance"),
        judged(10, p_value=None, verdict="not_scored", reason="needs 15 earlier rows"),
        judged(10, p_value=0.02),
        judged(10, entity="west"),
    ],
)
def test_rows_that_hold_no_event(tmp_path, gap):
    """Suppressed and unscored ones, those above the level, and those of other entities."""
    rows = [judged(0, **ANOMALY), judged(5), gap, judged(15), judged(20, **ANOMALY)]
    fill(tmp_path, (SECOND, rows))
    formed(tmp_path)
    assert [each["rows"] for each in events(tmp_path)] == [1, 1]
    rows[2] = judged(10)
    fill(tmp_path, (SECOND, rows))
    formed(tmp_path)
    assert [each["rows"] for each in events(tmp_path)] == [2]


def test_the_loss_of_a_column_does_not_go_on(tmp_path):
    """It is one row; what is held beside it belongs to no event."""
    rows = [judged(0, **ANOMALY | {"reason": "a is missing"}), judged(1), judged(2)]
    fill(tmp_path, (SECOND, rows))
    formed(tmp_path)
    (event,) = events(tmp_path)
    assert event["start"] == event["end"]


def test_scores_of_another_origin_hold_no_event(tmp_path):
    """A run that was killed between the two files left them; the next one writes both again."""
    rows = [judged(0, **ANOMALY), judged(5), judged(10, **ANOMALY)]
    fill(tmp_path, (SECOND, rows))
    judge(tmp_path, SECOND, *rows, origin=replace(ORIGIN, calibration_version=9))
    formed(tmp_path)
    assert len(events(tmp_path)) == 2
    fill(tmp_path, (SECOND, rows))
    formed(tmp_path)
    assert len(events(tmp_path)) == 1


@pytest.mark.parametrize(("p_value", "read"), [(0.5, False), (None, False), (0.01, True)], ids=str)
def test_a_footer_tells_that_nothing_is_held(tmp_path, monkeypatch, p_value, read):
    """Then no row is read; without flagged rows, which may have any p-value."""
    rows = [judged(minute, p_value) for minute in range(10)]
    file = OutputFile(kind=SCORES, partition=SECOND, path=judge(tmp_path, SECOND, *rows))
    seen = []
    monkeypatch.setattr(held, "_kept", lambda *given: seen.append(given) or ([], []))
    assert find_held(file, RULES, {}) is NONE_HELD
    assert bool(seen) == read
    judge(tmp_path, SECOND, *rows, judged(11, **ANOMALY))
    seen.clear()
    find_held(file, RULES, {})
    assert seen


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_batches_do_not_matter(tmp_path, monkeypatch, seed, size):
    """However the rows are cut, the same stretches are found; these are few."""
    random = np.random.default_rng(seed)
    rows = [
        judged(minute, float(p), entity) | (ANOMALY if p < 0.001 else {})
        for entity in ("east", "west")
        for minute, p in zip(range(0, 1440, 2), random.uniform(0, 0.03, 720), strict=True)
    ]
    file = OutputFile(kind=SCORES, partition=SECOND, path=judge(tmp_path, SECOND, *rows))
    whole, opened = find_held(file, RULES, {}), OutputFile.opened
    monkeypatch.setattr(
        OutputFile, "opened", lambda self, columns: opened(self, columns, size=size)
    )
    assert find_held(file, RULES, {}).equals(whole)
    flagged = sum(each["verdict"] == "anomaly" for each in rows)
    assert 0 < whole.num_rows <= flagged + 4


def test_the_footer_of_a_flagged_file_says_what_is_held(tmp_path):
    """What cannot matter to an event is left out."""
    fill(tmp_path, *days())
    formed(tmp_path)
    footers = [pq.read_metadata(each.path(tmp_path, FLAGGED)).metadata for each in (FIRST, SECOND)]
    found = [unpack_held([footer[HELD_KEY]]).to_pylist() for footer in footers]
    assert [[each["entity"] for each in table] for table in found] == [["east"], ["east"]]
    minutes = [(each[0]["end"] - each[0]["start"]) / NANOSECONDS["min"] for each in found]
    assert minutes == [15, 1435]
