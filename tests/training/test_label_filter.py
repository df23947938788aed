"""Labelled events select the training rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aedetect.events import Label
from aedetect.events.labels import CONFIRMED, FALSE_ALARM, write_labels
from aedetect.jobs import dataset

MINUTE = 60 * 10**9


def instant(text):
    """Nanoseconds of a timestamp."""
    return pd.Timestamp(text).value


def label(opinion, start, end, *, unit="u1", context=2 * MINUTE):
    """A label of an event."""
    return Label(
        event_id=f"{opinion}{start}",
        entity=unit,
        start=instant(start),
        end=instant(end),
        context=context,
        opinion=opinion,
        note=None,
        labelled="2026-02-01T00:00:00+00:00",
    )


@pytest.fixture
def ingest(tmp_path, make_frame, write, configured):
    """Ingest 600 minutes of two units for training; later rows arrived for scoring."""
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
    """Timestamps of the rows of one unit."""
    rows = ingested.rows
    return pd.to_datetime(np.array(rows.time[rows.entity == rows.names.index(unit)]))


def test_without_labels_arrived_rows_are_not_used_for_training(ingest):
    """The rows to score stay out of training."""
    assert len(ingest().rows) == 1200


def test_confirmed_events_are_left_out(ingest):
    """Of the entity they belong to, and of no other; both ends belong to the event."""
    start = times(ingest(), "u1")[100]
    end = start + pd.Timedelta("9min")
    found = ingest(label(CONFIRMED, start, end))
    left = times(found, "u1")
    assert len(left) == 590
    assert not ((left >= start) & (left <= end)).any()
    assert len(times(found, "u2")) == 600
    assert "1 event labelled confirmed: their rows are left out" in found.notes


def test_false_alarms_join_with_their_context(ingest):
    """Rows that arrived later are added, with the context of their windows before the event."""
    found = ingest(label(FALSE_ALARM, "2026-02-01 01:00", "2026-02-01 01:09"))
    joined = times(found, "u1")[600:]
    assert joined[0] == pd.Timestamp("2026-02-01 00:58")
    assert joined[-1] == pd.Timestamp("2026-02-01 01:09")
    assert len(joined) == 12
    assert len(times(found, "u2")) == 600


def test_false_alarms_can_be_left_out(ingest):
    """With that setting, their rows are excluded from training."""
    start = times(ingest(), "u2")[50]
    inside = label(FALSE_ALARM, start, start + pd.Timedelta("4min"), unit="u2")
    later = label(FALSE_ALARM, "2026-02-01 01:00", "2026-02-01 01:09")
    found = ingest(inside, later, training={"false_alarms": "exclude"})
    assert len(times(found, "u2")) == 595
    assert len(times(found, "u1")) == 600


def test_false_alarms_join_regardless_of_the_filter(ingest):
    """A label overrides `[data] normal`, but a confirmed event overrides a false alarm."""
    unfiltered = times(ingest(), "u1")
    start = unfiltered[100]
    alarm = label(FALSE_ALARM, start, start + pd.Timedelta("9min"), context=0)
    worse = label(CONFIRMED, start, start + pd.Timedelta("1min"))
    found = ingest(alarm, worse, data={"normal": "unit = 'u2'"})
    assert len(times(found, "u1")) == 8
    assert len(times(found, "u2")) == 600
