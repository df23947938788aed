"""Events as rows of a table in Prefect."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from aedetect.events import Event
from aedetect.report.event_rows import event_rows, rank_reported
from aedetect.wall_clock import WallClock

NAMES = (
    "![pixel](http://tracker.invalid/p.png)",
    "# All is well",
    "[link](javascript:alert(1))",
    "<img src=http://tracker.invalid/p.png onerror=alert(1)>",
    "www.tracker.invalid",
    "a `b` **c** ~~d~~",
    "1. first",
    "- item",
    "---",
    "_emphasised_",
    "x\n\n# All is well",
    "mail@tracker.invalid",
)


def event(**changed):
    """An event of seventy minutes."""
    given = {
        "event_id": "0123456789ab",
        "entity": "pump_7",
        "start": "2026-04-29T05:10:00+00:00",
        "end": "2026-04-29T06:20:00+00:00",
        "rows": 70,
        "peak_timestamp": "2026-04-29T05:30:00+00:00",
        "peak_score": 2.0,
        "threshold": 1.0,
        "p_value": 1e-6,
        "severity": "warning",
        "causes": (),
        "text": "temp_bearing 92 °C, normally 61 to 70",
        "suppressed": None,
        "model_name": "pump",
        "model_version": 3,
        "calibration_version": 1,
    }
    return Event(**given | changed)


def test_row_is_for_people():
    """Time on the clock of the table, duration in words, the sentence; no raw number."""
    (row,) = event_rows([event()], WallClock("Europe/Berlin"))
    assert row == {
        "time": "2026-04-29 07:10+02:00",
        "entity": "pump_7",
        "severity": "warning",
        "duration": "70 minutes",
        "what was seen": "temp_bearing 92 °C, normally 61 to 70",
        "event": "0123456789ab",
    }
    (alone,) = event_rows([event(entity=None, end=event().start)], WallClock(aware=False))
    assert (alone["entity"], alone["duration"], alone["time"]) == (
        "all rows",
        "one row",
        "2026-04-29 05:10",
    )


def test_suppressed_events_are_left_out_and_the_most_severe_come_first():
    """As in `aedetect flags`."""
    given = [event(), event(severity="critical"), event(p_value=1e-9), event(suppressed="ignored")]
    found = [(each.severity, each.p_value) for each in rank_reported(given)]
    assert found == [("critical", 1e-6), ("warning", 1e-9), ("warning", 1e-6)]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_cells_are_no_markdown(name):
    """Prefect's first user interface renders each cell: a name loads no picture and is no link."""
    (row,) = event_rows([event(entity=name, text=f"{name} 92, normally 61")], WallClock("UTC"))
    parser = MarkdownIt("gfm-like", {"linkify": False})
    for cell in (row["entity"], row["what was seen"]):
        opened, inline, closed = parser.parse(cell)
        assert (opened.type, closed.type) == ("paragraph_open", "paragraph_close")
        (only,) = inline.children
        assert only.type == "code_inline"
        assert only.content.startswith(" ".join(name.split()))
