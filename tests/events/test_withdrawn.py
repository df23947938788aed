"""The record of withdrawn events."""

from __future__ import annotations

import pytest
from flags import FIRST, SECOND, flag, formed, row

from aedetect.events.table import read_withdrawn
from aedetect.output import aside
from aedetect.timestamps import parse_instant


@pytest.fixture
def output(tmp_path):
    """One withdrawn event, and one that exists."""
    flag(tmp_path, FIRST, row(-60), row(-1))
    flag(tmp_path, SECOND, row(30))
    formed(tmp_path)
    flag(tmp_path, FIRST, row(-1))
    assert formed(tmp_path).counts == {"new": 0, "changed": 0, "withdrawn": 1}
    return tmp_path


def test_a_withdrawn_event_stays_in_the_record(output):
    """Unchanged; a span limits what is read."""
    gone = read_withdrawn(output)
    assert gone["start"].to_pylist()[0].isoformat().startswith("2026-02-01T23:00")
    assert gone["text"].to_pylist() == ["a 3, normally 0.5 to 1.5"]
    assert read_withdrawn(output, since=parse_instant("2026-02-02")).num_rows == 0


def test_an_event_that_reappears_leaves_the_record(output):
    """With its old id; others stay in the record."""
    flag(output, SECOND)
    formed(output)
    assert read_withdrawn(output).num_rows == 2
    flag(output, FIRST, row(-60), row(-1))
    assert formed(output).counts["new"] == 1
    assert read_withdrawn(output)["start"].to_pylist()[0].isoformat().startswith("2026-02-02T00:30")


def test_an_unchanged_record_is_not_written(output):
    """The file is not replaced."""
    (path,) = (output / "withdrawn").iterdir()
    before = path.stat().st_mtime_ns
    flag(output, SECOND, row(30), row(31))
    assert formed(output).counts["changed"] == 1
    assert path.stat().st_mtime_ns == before
    with aside(output):
        assert read_withdrawn(output).num_rows == 1
