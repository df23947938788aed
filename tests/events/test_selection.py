"""Which events are asked for."""

from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from aedetect.events.selection import Wanted

NOON = datetime(2026, 1, 5, 12)
EVENTS = pa.table(
    {
        "event_id": ["a", "b", "c", "d"],
        "entity": ["pump_1", "pump_2", "fan", None],
        "severity": ["info", "critical", "warning", "critical"],
        "end": [NOON - timedelta(days=days) for days in (3, 2, 1, 0)],
    }
)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "abcd"),
        ({"entity": "fan"}, "c"),
        ({"entity": "pump_*"}, "ab"),
        ({"entity": "nothing"}, ""),
        ({"severity": "info"}, "abcd"),
        ({"severity": "warning"}, "bcd"),
        ({"severity": "critical", "entity": "pump_*"}, "b"),
        ({"days": 1}, "cd"),
        ({"days": 0}, "d"),
        ({"days": 9, "severity": "critical"}, "bd"),
    ],
)
def test_events_are_chosen_and_keep_their_order(asked, found):
    """By entity or pattern, severity or more, and days before the newest event."""
    assert "".join(Wanted(**asked).of(EVENTS)["event_id"].to_pylist()) == found


def test_no_event_stays_no_event():
    """An empty table has no newest event."""
    assert Wanted(days=1, entity="x").of(EVENTS.slice(0, 0)).num_rows == 0
