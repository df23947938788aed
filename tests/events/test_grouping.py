"""Groups of flagged rows, and which of them are reported."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aedetect.events import EventRules
from aedetect.events.grouping import (
    COOLING,
    REPORTED,
    SHORT,
    Segments,
    group_held,
    group_rows,
    suppressed_groups,
)
from aedetect.events.settings import EventSettings
from aedetect.timestamps import NANOSECONDS


def codes(*values):
    """Entity codes."""
    return np.array(values, dtype=np.int32)


def test_no_rows_make_no_group():
    """Empty input gives no groups."""
    found = group_rows(np.zeros(0, np.int64), codes(), merge_gap=5)
    assert len(found) == 0
    assert not len(suppressed_groups(np.zeros(0, np.int64), codes(), found, EventRules(5, 1, 1)))


def test_a_gap_as_long_as_the_bridge_is_bridged():
    """A gap equal to the merge gap joins, one nanosecond more does not."""
    assert len(group_rows(np.array([0, 5]), codes(0, 0), merge_gap=5)) == 1
    assert len(group_rows(np.array([0, 6]), codes(0, 0), merge_gap=5)) == 2


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60)), min_size=1), st.integers(0, 9))
def test_every_row_is_in_one_group_of_its_entity(rows, merge_gap):
    """Groups cover all rows without holes, each of one entity."""
    ordered = sorted(rows)
    entity, time = codes(*(e for e, _ in ordered)), np.array([t for _, t in ordered])
    found = group_rows(time, entity, merge_gap=merge_gap)
    assert found.first[0] == 0
    assert found.last[-1] == len(ordered) - 1
    np.testing.assert_array_equal(found.first[1:], found.last[:-1] + 1)
    np.testing.assert_array_equal(entity[found.first], entity[found.last])


def by_hand(rows, merge_gap, stay):
    """Events as one finds them row by row: first and last flagged row, and the end."""
    runs, events = [], []
    for entity, time, flagged in rows:
        if not runs or runs[-1][-1][0] != entity or time - runs[-1][-1][1] > stay:
            runs.append([])
        runs[-1].append((entity, time, flagged))
    for run in runs:
        if not any(flagged for *_, flagged in run):
            continue
        if events and events[-1][-1][0] == run[0][0] and run[0][1] - events[-1][-1][1] <= merge_gap:
            events[-1] += run
        else:
            events.append(list(run))
    return [([time for _, time, flagged in event if flagged], event[-1][1]) for event in events]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 60), st.booleans()), unique_by=lambda r: r[:2]
    ),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_events_with_what_is_held_are_those_found_row_by_row(rows, stay, more):
    """From rows, and from stretches of them beside the flagged ones."""
    rows.sort()
    merge_gap = stay + more
    entity, time = codes(*(e for e, *_ in rows)), np.array([t for _, t, _ in rows], np.int64)
    flagged = np.array([f for *_, f in rows], np.bool_)
    expected = by_hand(rows, merge_gap, stay)
    found = group_held(Segments.of_rows(entity, time, flagged), merge_gap=merge_gap, stay=stay)
    own = time[flagged]
    assert [
        (own[first : last + 1].tolist(), end)
        for first, last, end in zip(found.first, found.last, found.end.tolist(), strict=True)
    ] == expected
    whole = group_rows(time, entity, merge_gap=stay)  # stretches, which hold the flagged rows too
    mixed = Segments(
        np.concatenate([entity[flagged], entity[whole.first]]),
        np.concatenate([own, time[whole.first]]),
        np.concatenate([own, whole.end]),
        np.repeat([True, False], [flagged.sum(), len(whole)]),
    )
    again = group_held(mixed.take(mixed.order), merge_gap=merge_gap, stay=stay)
    for name in ("first", "last", "end"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


def test_an_event_of_the_minimum_duration_is_reported():
    """The minimum is inclusive."""
    time, entity = np.array([0, 5, 100, 104]), codes(0, 0, 0, 0)
    found = group_rows(time, entity, merge_gap=10)
    assert suppressed_groups(time, entity, found, EventRules(10, min_duration=5)).tolist() == [
        REPORTED,
        SHORT,
    ]


def test_the_cool_down_counts_from_the_last_reported_event():
    """A suppressed event does not suppress the next one, nor those of other entities."""
    time = np.array([0, 8, 16, 30, 3])
    entity = codes(0, 0, 0, 0, 1)
    found = group_rows(time, entity, merge_gap=1)
    verdict = suppressed_groups(time, entity, found, EventRules(1, cool_down=10)).tolist()
    assert verdict == [REPORTED, COOLING, REPORTED, REPORTED, REPORTED]


def test_a_short_event_starts_no_cool_down():
    """An event that is not reported starts none."""
    time, entity = np.array([0, 8, 20]), codes(0, 0, 0)
    found = group_rows(time, entity, merge_gap=10)
    rules = EventRules(10, min_duration=5, cool_down=50)
    assert suppressed_groups(time, entity, found, rules).tolist() == [REPORTED, SHORT]


def test_steps_follow_from_the_sampling_unless_set():
    """An hour for a row a minute, at most six hours, at least `max_gap`."""
    minute, hour = NANOSECONDS["min"], NANOSECONDS["h"]
    found = EventRules.of(EventSettings(), max_gap=5 * minute, period=minute)
    assert (found.merge_gap, found.stay, found.incident) == (hour, 5 * minute, 5 * minute)
    assert EventRules.of(EventSettings(), max_gap=5 * hour, period=hour).merge_gap == 6 * hour
    assert EventRules.of(EventSettings(), max_gap=9 * hour, period=hour).merge_gap == 9 * hour
    given = EventSettings(merge_gap="1s", cool_down="2s", hold=0, incident="3s", level_shift="4s")
    assert EventRules.of(given, max_gap=7 * 10**9, period=10**9) == EventRules(
        10**9, cool_down=2 * 10**9, stay=10**9, incident=3 * 10**9, level_shift=4 * 10**9
    )


def test_what_lasts_longer_than_held_out_events_is_a_shift_of_level():
    """Six hours for a row a minute, a day for one in ten, and twice what held-out rows showed."""
    minute, hour = NANOSECONDS["min"], NANOSECONDS["h"]

    def found(period, longest=0):
        settings = EventSettings()
        return EventRules.of(settings, max_gap=0, period=period, longest=longest).level_shift

    assert [found(each) for each in (0, minute // 60, minute)] == [0, 6 * hour, 6 * hour]
    assert [found(each) for each in (2 * minute, 10 * minute)] == [12 * hour, 24 * hour]
    assert found(24 * hour) == 24 * 24 * hour
    assert [found(minute, each * hour) for each in (3, 5)] == [6 * hour, 10 * hour]
