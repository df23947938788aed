"""Events of several entities that begin together."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
from flags import FIRST, SECOND, flag, formed, row
from hypothesis import given
from hypothesis import strategies as st

from aedetect.events.incidents import find_incidents
from aedetect.output.partitions import EVENTS


@given(st.lists(st.integers(0, 50)), st.integers(0, 9))
def test_an_incident_is_what_begins_soon_after_its_first_event(starts, within):
    """As one finds it going from event to event."""
    start = np.array(sorted(starts), dtype=np.int64)
    ids = np.array([f"{place:03}" for place in range(len(start))], dtype=object)
    expected, first = [], None
    for moment, each in zip(start.tolist(), ids, strict=True):
        if first is None or moment > first[0] + within:
            first = moment, each
        expected.append(first[1])
    found = find_incidents(start, ids, np.ones(len(start), np.bool_), within=within)
    assert found.tolist() == expected


def test_entities_that_break_together_have_one_incident(tmp_path):
    """Across midnight too; what is not reported, or begins later, is alone."""
    flag(tmp_path, FIRST, row(-1), row(-2, "west"))
    flag(tmp_path, SECOND, row(2, "north"), row(9, "south"), row(1, "brief"), row(2, "brief"))
    formed(tmp_path, min_duration="0s")
    paths = [each.path(tmp_path, EVENTS) for each in (FIRST, SECOND)]
    rows = [each for path in paths for each in pq.ParquetFile(path).read().to_pylist()]
    of = {each["entity"]: each for each in rows}
    west = of["west"]["event_id"]
    shared = {name for name, each in of.items() if each["incident_id"] == west}
    assert shared == {"west", "east", "north", "brief"}
    assert of["south"]["incident_id"] == of["south"]["event_id"]
    formed(tmp_path, min_duration="1min")
    rows = [each for path in paths for each in pq.ParquetFile(path).read().to_pylist()]
    assert all(each["incident_id"] == each["event_id"] for each in rows)


def test_a_shorter_time_parts_them(tmp_path):
    """`[events] incident = "0s"` keeps what begins at the same moment."""
    flag(tmp_path, SECOND, row(0), row(0, "west"), row(1, "north"))
    formed(tmp_path, incident="0s")
    rows = pq.ParquetFile(SECOND.path(tmp_path, EVENTS)).read().to_pylist()
    assert len({each["incident_id"] for each in rows}) == 2
