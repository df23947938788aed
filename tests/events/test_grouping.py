"""Groups of flagged rows, and which of them are reported."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aedetect.events import EventRules
from aedetect.events.grouping import COOLING, REPORTED, SHORT, group_rows, suppressed_groups
from aedetect.events.settings import EventSettings


def codes(*values):
    """Entity codes."""
    return np.array(values, dtype=np.int32)


def test_no_rows_make_no_group():
    """Empty input gives no groups."""
    found = group_rows(np.zeros(0, np.int64), codes(), bridge=5)
    assert len(found) == 0
    assert not len(suppressed_groups(np.zeros(0, np.int64), codes(), found, EventRules(5, 1, 1)))


def test_a_gap_as_long_as_the_bridge_is_bridged():
    """A gap equal to the bridge joins, one nanosecond more does not."""
    assert len(group_rows(np.array([0, 5]), codes(0, 0), bridge=5)) == 1
    assert len(group_rows(np.array([0, 6]), codes(0, 0), bridge=5)) == 2


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60)), min_size=1), st.integers(0, 9))
def test_every_row_is_in_one_group_of_its_entity(rows, bridge):
    """Groups cover all rows without holes, each of one entity."""
    ordered = sorted(rows)
    entity, time = codes(*(e for e, _ in ordered)), np.array([t for _, t in ordered])
    found = group_rows(time, entity, bridge=bridge)
    assert found.first[0] == 0
    assert found.last[-1] == len(ordered) - 1
    np.testing.assert_array_equal(found.first[1:], found.last[:-1] + 1)
    np.testing.assert_array_equal(entity[found.first], entity[found.last])


def test_an_event_of_the_minimum_duration_is_reported():
    """The minimum is inclusive."""
    time, entity = np.array([0, 5, 100, 104]), codes(0, 0, 0, 0)
    found = group_rows(time, entity, bridge=10)
    assert suppressed_groups(time, entity, found, EventRules(10, min_duration=5)).tolist() == [
        REPORTED,
        SHORT,
    ]


def test_the_cool_down_counts_from_the_last_reported_event():
    """A suppressed event does not suppress the next one, nor those of other entities."""
    time = np.array([0, 8, 16, 30, 3])
    entity = codes(0, 0, 0, 0, 1)
    found = group_rows(time, entity, bridge=1)
    verdict = suppressed_groups(time, entity, found, EventRules(1, cool_down=10)).tolist()
    assert verdict == [REPORTED, COOLING, REPORTED, REPORTED, REPORTED]


def test_a_short_event_starts_no_cool_down():
    """An event that is not reported starts none."""
    time, entity = np.array([0, 8, 20]), codes(0, 0, 0)
    found = group_rows(time, entity, bridge=10)
    rules = EventRules(10, min_duration=5, cool_down=50)
    assert suppressed_groups(time, entity, found, rules).tolist() == [REPORTED, SHORT]


def test_the_bridge_is_max_gap_unless_set():
    """`[events] bridge` overrides `[data] max_gap`."""
    assert EventRules.of(EventSettings(), max_gap=7) == EventRules(7)
    assert EventRules.of(EventSettings(bridge="1s", cool_down="2s"), max_gap=7) == EventRules(
        10**9, cool_down=2 * 10**9
    )
