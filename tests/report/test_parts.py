"""Axes, lines with a fixed budget of points, known anomalies against events, and words."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aedetect.evaluation import KnownAnomalies
from aedetect.report.axis import MAX_CELLS, make_axis
from aedetect.report.forewarning import compare_with_known
from aedetect.report.lines import Line, extremes
from aedetect.report.wording import odds, span_text
from aedetect.timestamps import NANOSECONDS
from aedetect.wall_clock import WallClock

HOUR, DAY = NANOSECONDS["h"], NANOSECONDS["d"]
BERLIN = WallClock("Europe/Berlin")


@given(st.integers(0, 2**60), st.integers(0, 400 * DAY))
def test_an_axis_covers_its_time(first, length):
    """With at most as many cells as a lane has."""
    axis = make_axis(first, first + length, clock=BERLIN)
    assert axis.start <= first
    assert axis.end > first + length
    assert axis.cells <= MAX_CELLS


def test_days_begin_on_the_clock_of_the_table():
    """Not at midnight of UTC."""
    first = BERLIN.parse("2026-06-01T09:30")
    axis = make_axis(first, first + 300 * DAY, clock=BERLIN)
    assert axis.step % DAY == 0
    assert BERLIN.format(axis.start).startswith("2026-05") or "06-01 00:00" in BERLIN.format(
        axis.start
    )
    assert BERLIN.format(axis.start)[11:16] == "00:00"


@given(hnp.arrays(float, st.integers(1, 900), elements=st.floats(-1e9, 1e9)))
def test_extremes_stay(value):
    """The smallest and the largest value of a line are among its points, which are few."""
    time = np.arange(len(value), dtype=np.int64) * HOUR
    kept = extremes(time, value, most=50)
    assert len(kept) <= max(100, min(len(value), 100))
    assert value[kept].min() == value.min()
    assert value[kept].max() == value.max()
    assert (np.diff(kept) > 0).all()


def test_missing_values_are_gaps():
    """They are no extreme, and null in the page."""
    value = np.full(1_000, np.nan)
    value[10], value[700] = 5.0, -3.0
    kept = extremes(np.arange(1_000, dtype=np.int64), value, most=20)
    assert {10, 700} <= set(kept.tolist())
    line = Line(time=np.array([0, HOUR]), values={"score": np.array([1.5, np.nan])})
    described = line.described(WallClock("+05:30"))
    assert described == {"first": 19_800, "steps": [0, 3_600], "score": [1.5, None]}
    assert json.dumps(described, allow_nan=False)


def test_events_are_matched_with_known_anomalies():
    """By overlap, or by a begin shortly before; each counts by its entity."""
    known = [
        KnownAnomalies("a", 10 * DAY, 11 * DAY),
        KnownAnomalies("a", 20 * DAY, 21 * DAY),
        KnownAnomalies("b", 10 * DAY, 11 * DAY),
    ]
    entities = ["a", "a", "a", "a", "b"]
    starts = [10 * DAY - 5 * HOUR, 10 * DAY + HOUR, 15 * DAY, 20 * DAY - 2 * HOUR, 3 * DAY]
    ends = [10 * DAY - 4 * HOUR, 10 * DAY + 2 * HOUR, 15 * DAY, 20 * DAY - HOUR, 4 * DAY]
    found = compare_with_known(known, entities, starts, ends)
    assert (found.found, found.foretold, found.missed) == (1, 1, 1)
    assert found.early == (0, 3)
    assert found.false == (2, 4)
    assert found.forewarning == pytest.approx(3.5 * HOUR)


def test_an_event_of_the_anomaly_before_foretells_nothing():
    """It began before that one ended."""
    known = [KnownAnomalies(None, 0, HOUR), KnownAnomalies(None, 3 * HOUR, 4 * HOUR)]
    found = compare_with_known(known, [None], [HOUR // 2], [HOUR // 2])
    assert (found.found, found.missed) == (1, 1)


def test_words_of_times_and_odds():
    """In units that people use."""
    assert span_text(90 * NANOSECONDS["min"]) == "90 minutes"
    assert span_text(DAY) == "24 hours"
    assert odds(1e-12) == "fewer than 1 in a billion normal rows"
