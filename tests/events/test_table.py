"""Reading events."""

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
    """Three events on two days, one of them short."""
    flag(tmp_path, FIRST, row(-60, score=4.0), row(-58), row(-1, "west", score=9.0))
    flag(tmp_path, SECOND, row(1, "west"), row(90, score=5.0), row(92))
    formed(tmp_path, min_duration="2min")
    return tmp_path


def test_the_most_anomalous_event_comes_first(output):
    """By the ratio of its peak to the threshold."""
    found = list(as_events(read_event_table(output)))
    assert [event.peak_score for event in found] == [9, 5, 4]
    assert found[0].start == "2026-02-01T23:59:00"
    assert found[0].causes[0].feature == "a"
    assert found[0].p_value == pytest.approx(1e-3 / 9)


def test_events_that_overlap_a_span_are_read(output):
    """The span includes its start and excludes its end; an event may begin before it."""
    since, until = (parse_instant(f"2026-02-02T{time}") for time in ("00:01", "01:30"))
    assert read_event_table(output, since=since, until=until)["peak_score"].to_pylist() == [9]
    assert read_event_table(output, since=since + 1_000)["peak_score"].to_pylist() == [5]
    assert read_event_table(output, until=until + 1_000).num_rows == 3


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_suppressed_events_are_read_on_request(tmp_path, zone):
    """With the reason."""
    flag(tmp_path, FIRST, row(-60), row(-1, "west"), row(-2, "west"), zone=zone)
    formed(tmp_path, min_duration="1min")
    assert read_event_table(tmp_path, since=0).num_rows == 1
    both = read_event_table(tmp_path, suppressed=True)
    assert pc.count_distinct(both["suppressed"], mode="all").as_py() == 2


def test_an_id_depends_on_detector_entity_and_start():
    """On each of them, and on nothing else."""
    names = {event_id("a", "b", 1), event_id("a", "b", 2), event_id("a", None, 1)}
    names |= {event_id("a", "", 1), event_id("ab", "", 1)}
    assert len(names) == 5
    assert event_id("pump", "east", 0) == "9d4c75182b21"


def test_nothing_scored_is_an_error_with_a_remedy(tmp_path):
    """No events and no scores are different errors."""
    with pytest.raises(NoData, match=r"no scores in .*: run `aedetect score CONFIG` first"):
        read_event_table(tmp_path)
    flag(tmp_path, FIRST)
    with pytest.raises(NoData, match=r"no events in .*: run `aedetect score CONFIG` first"):
        read_event_table(tmp_path)
    formed(tmp_path)
    assert read_event_table(tmp_path).num_rows == 0
    assert read_withdrawn(tmp_path) is None
