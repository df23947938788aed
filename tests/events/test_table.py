"""Events as people and programs read them."""

from __future__ import annotations

import pyarrow.compute as pc
import pytest
from flags import FIRST, SECOND, flag, formed, row

from aedetect.errors import NoData
from aedetect.events import read_event_table
from aedetect.events.table import as_events, event_id, read_withdrawn
from aedetect.timestamps import parse_instant


@pytest.fixture
def output(tmp_path):
    """Three events of two days, one of which is short."""
    flag(tmp_path, FIRST, row(-60, score=4.0), row(-58), row(-1, "west", score=9.0))
    flag(tmp_path, SECOND, row(1, "west"), row(90, score=5.0), row(92))
    formed(tmp_path, min_duration="2min")
    return tmp_path


def test_the_strangest_comes_first(output):
    """By how many times the threshold its peak is."""
    found = list(as_events(read_event_table(output)))
    assert [event.peak_score for event in found] == [9, 5, 4]
    assert found[0].start == "2026-02-01 23:59:00"
    assert found[0].causes[0].feature == "a"
    assert found[0].p_value == pytest.approx(1e-3 / 9)


def test_events_that_reach_into_a_span_are_read(output):
    """The start of the span is inside of it, its end is not; an event may begin before."""
    since, until = (parse_instant(f"2026-02-02T{time}") for time in ("00:01", "01:30"))
    assert read_event_table(output, since=since, until=until)["peak_score"].to_pylist() == [9]
    assert read_event_table(output, since=since + 1_000)["peak_score"].to_pylist() == [5]
    assert read_event_table(output, until=until + 1_000).num_rows == 3


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_what_is_kept_quiet_is_read_when_asked_for(tmp_path, zone):
    """With the reason."""
    flag(tmp_path, FIRST, row(-60), row(-1, "west"), row(-2, "west"), zone=zone)
    formed(tmp_path, min_duration="1min")
    assert read_event_table(tmp_path, since=0).num_rows == 1
    both = read_event_table(tmp_path, suppressed=True)
    assert pc.count_distinct(both["suppressed"], mode="all").as_py() == 2


def test_a_name_is_that_of_detector_entity_and_moment():
    """Each of them counts; the same ones give the same name for ever."""
    names = {event_id("a", "b", 1), event_id("a", "b", 2), event_id("a", None, 1)}
    names |= {event_id("a", "", 1), event_id("ab", "", 1)}
    assert len(names) == 5
    assert event_id("pump", "east", 0) == "9d4c75182b21"


def test_nothing_scored_is_an_error_with_a_remedy(tmp_path):
    """No events are something else than no scores."""
    with pytest.raises(NoData, match=r"no scores in .*: run aedetect score first"):
        read_event_table(tmp_path)
    flag(tmp_path, FIRST)
    with pytest.raises(NoData, match=r"no events in .*: run aedetect score first"):
        read_event_table(tmp_path)
    formed(tmp_path)
    assert read_event_table(tmp_path).num_rows == 0
    assert read_withdrawn(tmp_path) is None
