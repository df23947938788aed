"""Flagged rows -> events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from aedetect.durations import NANOSECONDS, parse_instant
from aedetect.errors import NoData
from aedetect.events import Flagged, group, read_flagged
from aedetect.sink import Origin, TableWriter
from aedetect.verdicts import flagged_schema

START = datetime(2026, 2, 1, 23, 55, tzinfo=UTC)

ORIGIN = Origin(
    model_name="pump",
    model_version=1,
    calibration_version=1,
    config_hash="",
    lookback=0,
    max_gap=5 * NANOSECONDS["min"],
    inputs={},
)


def table(*rows, zone=None):
    """Flagged rows: minutes after the start, entity and score of each."""
    causes = [{"feature": "a", "share": 1.0, "observed": 2.0, "expected": None}] * 4
    filled = [
        {
            "timestamp": START + timedelta(minutes=minute),
            "entity": entity,
            "score": score,
            "threshold": 2.0,
            "severity": "info" if score < 9 else "critical",
            "causes": causes,
        }
        for minute, entity, score in rows
    ]
    return pa.Table.from_pylist(filled, schema=flagged_schema(pa.timestamp("us", tz=zone)))


def flags(*rows, minutes=10):
    """The same, of which some minutes may lie between two of one event."""
    return Flagged(table(*rows), minutes * NANOSECONDS["min"])


def test_flags_that_follow_closely_are_one_event():
    """Across midnight too; ten minutes are close, eleven are not."""
    first, second = group(flags((0, "x", 9.0), (10, "x", 3.0), (21, "x", 4.0)))
    assert (first.start, first.end) == ("2026-02-01 23:55:00", "2026-02-02 00:05:00")
    assert (first.rows, second.rows) == (2, 1)


def test_events_of_two_entities_are_two():
    """However their flags interleave; without an entity there is one series."""
    assert len(group(flags((0, "x", 3.0), (1, "y", 3.0), (2, "x", 3.0)))) == 2
    assert [event.rows for event in group(flags((0, None, 3.0), (1, None, 4.0)))] == [2]


def test_an_event_is_known_by_its_peak():
    """Score, severity and the largest causes are those of its highest row."""
    (event,) = group(flags((0, "x", 3.0), (1, "x", 20.0), (2, "x", 5.0)))
    assert (event.peak_timestamp, event.peak_score) == ("2026-02-01 23:56:00", 20)
    assert event.severity == "critical"
    assert len(event.causes) == 3


def test_the_highest_peak_comes_first():
    """The order of the rows does not matter."""
    events = group(flags((90, "y", 3.0), (0, "x", 4.0), (50, "y", 5.0)))
    assert [event.peak_score for event in events] == [5, 4, 3]


def test_the_bridge_can_be_longer():
    """As long as the longest step inside a window."""
    assert len(group(flags((0, "x", 3.0), (21, "x", 3.0), minutes=30))) == 1


def test_no_flags_are_no_events():
    """Nothing was strange."""
    assert group(flags()) == []


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_flags_are_read_between_two_moments(tmp_path, zone):
    """The first included, the second not; over partitions."""
    for day, minutes in (("01", (0, 4)), ("02", (5, 9))):
        path = tmp_path / "flagged" / f"date=2026-02-{day}" / "part.parquet"
        path.parent.mkdir(parents=True)
        rows = table(*[(minute, "x", 3.0) for minute in minutes], zone=zone)
        writer = TableWriter(path, rows.schema, ORIGIN)
        for batch in rows.to_batches():
            writer.write(batch)
        writer.close()
    since, until = (parse_instant(f"2026-02-01T23:{m}") for m in (55, 59))
    assert read_flagged(tmp_path).bridge == ORIGIN.max_gap
    assert read_flagged(tmp_path).rows.num_rows == 4
    assert read_flagged(tmp_path, since=since, until=until).rows.num_rows == 1
    assert read_flagged(tmp_path, since=until).rows.num_rows == 3


def test_nothing_scored_is_an_error_with_a_remedy(tmp_path):
    """No flags are something else than no scores."""
    with pytest.raises(NoData, match=r"no scores in .*: run aedetect score first"):
        read_flagged(tmp_path)
