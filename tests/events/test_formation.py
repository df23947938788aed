"""The second stage: events from flagged files, whatever runs came before."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from flags import FIRST, SECOND, THIRD, flag, formed, row
from plant import contents, stamps

from aedetect.errors import OutputError
from aedetect.output.atomic import publish_all
from aedetect.output.partitions import EVENTS, FLAGGED


@pytest.fixture
def output(tmp_path):
    """Flags of two units around midnight, and a day without flags."""
    flag(tmp_path, FIRST, row(-100), row(-2), row(-1), row(-3, "west"))
    flag(tmp_path, SECOND, row(0), row(2, score=9.0), row(60))
    flag(tmp_path, THIRD)
    return tmp_path


def events(output, partition):
    """The events of a partition, as plain rows."""
    return pq.ParquetFile(partition.path(output, EVENTS)).read().to_pylist()


def ids(output, partition):
    """The event of each flagged row of a partition."""
    return pq.ParquetFile(partition.path(output, FLAGGED)).read()["event_id"].to_pylist()


def test_an_event_that_crosses_midnight_is_one(output):
    """It is written where it starts, and the flagged rows of both days have its id."""
    changes = formed(output)
    assert changes.counts == {"new": 4, "changed": 0, "withdrawn": 0}
    first, second = events(output, FIRST), events(output, SECOND)
    assert [len(first), len(second), len(events(output, THIRD))] == [3, 1, 0]
    crossing = next(each for each in first if each["rows"] == 4)
    assert crossing["peak_score"] == 9
    assert crossing["text"] == "a 9, normally 0.5 to 1.5"
    assert ids(output, FIRST)[1:3] == ids(output, SECOND)[:2] == [crossing["event_id"]] * 2
    assert len(set(ids(output, FIRST) + ids(output, SECOND))) == 4


def test_nothing_to_do_writes_nothing(output):
    """Not even the modification times of files change."""
    formed(output)
    before = stamps(output)
    assert formed(output).counts == {"new": 0, "changed": 0, "withdrawn": 0}
    assert stamps(output) == before


def test_days_that_come_one_by_one_give_the_same_files(output, tmp_path):
    """In any order, to the last byte."""
    other = tmp_path / "other"
    flag(other, SECOND, row(0), row(2, score=9.0), row(60))
    assert formed(other).counts["new"] == 2
    flag(other, THIRD)
    formed(other)
    flag(other, FIRST, row(-100), row(-2), row(-1), row(-3, "west"))
    changes = formed(other)
    assert changes.counts == {"new": 3, "changed": 0, "withdrawn": 1}
    formed(output)
    for kind in (EVENTS, FLAGGED):
        assert contents(other / kind) == contents(output / kind)


def test_late_rows_leave_other_events_unchanged(output):
    """Ids stay, and files with the same content are not written."""
    formed(output)
    before, old = stamps(output / EVENTS), events(output, FIRST)
    flag(output, SECOND, row(0), row(2, score=9.0), row(4), row(60))
    changes = formed(output)
    (changed,) = changes.changed
    assert (changes.counts["new"], changed.rows, changed.end) == (0, 5, "2026-02-02T00:04:00")
    assert [each["event_id"] for each in events(output, FIRST)] == [e["event_id"] for e in old]
    after = stamps(output / EVENTS)
    assert {name for name in after if after[name] != before[name]} == {
        f"{FIRST.folder}/part-0.parquet"
    }


def test_a_changed_peak_is_a_changed_event(output):
    """Even when its times and its number of rows are the same."""
    formed(output)
    flag(output, SECOND, row(0), row(2, score=8.0), row(60))
    (changed,) = formed(output).changed
    assert changed.text == "a 8, normally 0.5 to 1.5"


def test_a_peak_after_the_fault_is_told_by_a_row_before(tmp_path):
    """Scores look back: they are highest when a fault has just ended, on either day."""
    usual = {"causes": [{"feature": "a", "share": 1.0, "observed": 1.1, "expected": 1.0}]}
    flag(tmp_path, FIRST, row(-3), row(-2, score=4.0))
    flag(tmp_path, SECOND, row(0, score=9.0, blame=1.0, outside=[], **usual))
    formed(tmp_path)
    (event,) = events(tmp_path, FIRST)
    assert event["text"] == "a 4, normally 0.5 to 1.5"
    assert event["causes"][0]["observed"] == 4
    assert event["peak_timestamp"].hour == 0


def test_the_events_of_a_withdrawn_day_are_withdrawn(output):
    """The rest of an event that reached into it keeps its id."""
    formed(output)
    before = {each["event_id"]: each["rows"] for each in events(output, FIRST)}
    changes = formed(output, leaving=[SECOND])
    assert changes.counts == {"new": 0, "changed": 1, "withdrawn": 1}
    after = {each["event_id"]: each["rows"] for each in events(output, FIRST)}
    assert (before.keys(), sorted(after.values())) == (after.keys(), [1, 1, 2])
    assert not SECOND.path(output, EVENTS).exists()
    assert formed(output, leaving=[SECOND]).counts["withdrawn"] == 0


def test_other_settings_form_other_events(output):
    """Restoring the first settings restores the first files."""
    formed(output)
    before = {kind: contents(output / kind) for kind in (EVENTS, FLAGGED)}
    changes = formed(output, merge_gap="2h")
    assert changes.counts == {"new": 0, "changed": 1, "withdrawn": 2}
    formed(output)
    assert {kind: contents(output / kind) for kind in (EVENTS, FLAGGED)} == before


def test_suppressed_events_are_written_with_the_reason(output):
    """None is lost, and readers see why it was not reported."""
    formed(output, min_duration="3min", cool_down="1h")
    found = events(output, FIRST) + events(output, SECOND)
    reasons = {each["rows"]: each["suppressed"] for each in found}
    assert reasons == {4: None, 1: "shorter than 3min"}
    formed(output, cool_down="1h")
    assert events(output, SECOND)[0]["suppressed"] == "within 1h of an event before"


def test_units_are_part_of_the_description(output):
    """A new unit is also written into existing events."""
    formed(output)
    assert formed(output, units={"a": "bar"}).counts["changed"] == 4
    assert events(output, FIRST)[1]["text"] == "a 3 bar, normally 0.5 to 1.5"


@pytest.mark.parametrize("lost", [FIRST, SECOND, THIRD])
def test_events_that_were_deleted_come_back(output, lost):
    """Without scoring."""
    formed(output)
    before = contents(output)
    lost.path(output, EVENTS).unlink()
    formed(output)
    assert contents(output) == before


@pytest.mark.parametrize("done", range(6))
def test_an_interrupted_run_is_completed(output, tmp_path, monkeypatch, done):
    """After any of the files that it publishes."""
    from aedetect.events import formation

    whole = tmp_path / "whole"
    flag(whole, FIRST, row(-100), row(-2), row(-1), row(-3, "west"))
    flag(whole, SECOND, row(0), row(2, score=9.0), row(60))
    flag(whole, THIRD)
    formed(whole)
    left = done

    def fail(moves):
        nonlocal left
        publish_all(moves[:left])
        if len(moves) > left:
            raise KeyboardInterrupt
        left -= len(moves)

    with monkeypatch.context() as patched:
        patched.setattr(formation, "publish_all", fail)
        with pytest.raises(KeyboardInterrupt):
            formed(output)
    formed(output)
    for kind in (EVENTS, FLAGGED):
        assert contents(output / kind) == contents(whole / kind)


def test_timestamps_keep_their_zone(tmp_path):
    """The id of an event does not depend on the time zone."""
    flag(tmp_path, FIRST, row(-2), zone="Europe/Berlin")
    formed(tmp_path)
    (event,) = events(tmp_path, FIRST)
    flag(tmp_path / "utc", FIRST, row(-2), zone="UTC")
    formed(tmp_path / "utc")
    assert str(event["start"].tzinfo) == "Europe/Berlin"
    assert events(tmp_path / "utc", FIRST)[0]["event_id"] == event["event_id"]


def test_flags_without_an_entity_are_one_series(tmp_path):
    """Rows without an entity are one series too."""
    flag(tmp_path, FIRST, row(-3, None), row(-2, None))
    formed(tmp_path)
    assert [(each["entity"], each["rows"]) for each in events(tmp_path, FIRST)] == [(None, 2)]


def test_a_foreign_file_is_refused(output):
    """A file that aedetect did not write is not replaced."""
    THIRD.path(output, FLAGGED).write_bytes(b"a,b")
    with pytest.raises(OutputError, match="was not written by aedetect"):
        formed(output)
