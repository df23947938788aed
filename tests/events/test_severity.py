"""The severity of a whole event."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from flags import FIRST, SECOND, flag, formed, row

from aedetect.output.partitions import EVENTS


@pytest.mark.parametrize(
    ("strengths", "severity"),
    [([0.9], "info"), ([0.6, 0.6], "warning"), ([0.4] * 13, "critical"), ([None], "info")],
)
def test_the_rows_of_an_event_add_up(tmp_path, strengths, severity):
    """A long event is severe though none of its rows is; also across midnight."""
    rows = [row(place - 1, strength=each) for place, each in enumerate(strengths)]
    flag(tmp_path, FIRST, rows[0])
    flag(tmp_path, SECOND, *rows[1:])
    formed(tmp_path)
    (event,) = pq.ParquetFile(FIRST.path(tmp_path, EVENTS)).read().to_pylist()
    assert event["severity"] == severity
    assert event["strength"] == pytest.approx(sum(each or 0 for each in strengths), rel=1e-6)


def test_a_row_that_a_rule_flagged_stays_a_warning(tmp_path):
    """Its score is below the threshold."""
    flag(tmp_path, SECOND, row(0, strength=0.0, severity="warning"), row(1, strength=0.1))
    formed(tmp_path)
    (event,) = pq.ParquetFile(SECOND.path(tmp_path, EVENTS)).read().to_pylist()
    assert event["severity"] == "warning"
