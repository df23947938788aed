"""Labelled events decide which rows are learnt from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aedetect.events import Label
from aedetect.events.labels import CONFIRMED, FALSE_ALARM, write_labels
from aedetect.jobs import dataset

MINUTE = 60 * 10**9


def moment(text):
    """Nanoseconds of a moment."""
    return pd.Timestamp(text).value


def said(opinion, start, end, *, unit="u1", context=2 * MINUTE):
    """A label of an event."""
    return Label(
        event_id=f"{opinion}{start}",
        entity=unit,
        start=moment(start),
        end=moment(end),
        context=context,
        opinion=opinion,
        note=None,
        labelled="2026-02-01T00:00:00+00:00",
    )


@pytest.fixture
def ingest(tmp_path, make_frame, write, configured):
    """Ingests 600 minutes of two units to learn from; later rows arrived to be scored."""
    write(make_frame(rows=600, units=("u1", "u2")), tmp_path / "train.parquet")
    later = make_frame(rows=600, units=("u1", "u2"), start="2026-02-01")
    write(later, tmp_path / "incoming" / "later.parquet")

    def ingest(*labels, **sections):
        write_labels(tmp_path / "output", labels)
        config = configured(tmp_path, scoring={"input": "incoming"}, **sections)
        (tmp_path / "scratch").mkdir(exist_ok=True)
        return dataset.ingest_rows(config, tmp_path / "scratch")

    return ingest


def times(ingested, unit):
    """Moments of one unit's rows."""
    rows = ingested.rows
    return pd.to_datetime(np.array(rows.time[rows.entity == rows.names.index(unit)]))


def test_without_labels_what_arrived_is_not_learnt_from(ingest):
    """The rows to score stay out of training."""
    assert len(ingest().rows) == 1200


def test_confirmed_events_are_left_out(ingest):
    """Of the entity they belong to, and of no other; both ends belong to the event."""
    start = times(ingest(), "u1")[100]
    end = start + pd.Timedelta("9min")
    found = ingest(said(CONFIRMED, start, end))
    left = times(found, "u1")
    assert len(left) == 590
    assert not ((left >= start) & (left <= end)).any()
    assert len(times(found, "u2")) == 600
    assert "1 events labelled confirmed: their rows are left out" in found.notes


def test_false_alarms_join_with_their_context(ingest):
    """Rows that arrived later join, from so long before the event as they are judged from."""
    found = ingest(said(FALSE_ALARM, "2026-02-01 01:00", "2026-02-01 01:09"))
    joined = times(found, "u1")[600:]
    assert joined[0] == pd.Timestamp("2026-02-01 00:58")
    assert joined[-1] == pd.Timestamp("2026-02-01 01:09")
    assert len(joined) == 12
    assert len(times(found, "u2")) == 600


def test_false_alarms_can_be_left_out(ingest):
    """By setting, their rows are neither learnt from nor do they join."""
    start = times(ingest(), "u2")[50]
    inside = said(FALSE_ALARM, start, start + pd.Timedelta("4min"), unit="u2")
    later = said(FALSE_ALARM, "2026-02-01 01:00", "2026-02-01 01:09")
    found = ingest(inside, later, training={"false_alarms": "exclude"})
    assert len(times(found, "u2")) == 595
    assert len(times(found, "u1")) == 600


def test_false_alarms_join_whatever_the_filter_says(ingest):
    """A person's word outweighs `[data] normal`, but not another person's confirmation."""
    unfiltered = times(ingest(), "u1")
    start = unfiltered[100]
    alarm = said(FALSE_ALARM, start, start + pd.Timedelta("9min"), context=0)
    worse = said(CONFIRMED, start, start + pd.Timedelta("1min"))
    found = ingest(alarm, worse, data={"normal": "unit = 'u2'"})
    assert len(times(found, "u1")) == 8
    assert len(times(found, "u2")) == 600
