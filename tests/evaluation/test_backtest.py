"""A backtest forms the events of past scores with another threshold."""

from __future__ import annotations

import math

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aedetect.errors import NoData
from aedetect.evaluation import KnownAnomalies, backtest_threshold
from aedetect.evaluation.alarms import AlarmLevels
from aedetect.events import EventRules
from aedetect.figures.backtest_timeline import draw_backtest_timeline
from aedetect.figures.canvas import save_figure
from aedetect.output.partitions import Span

MINUTE = 60 * 10**9
DAY = 1440 * MINUTE
START = pd.Timestamp("2026-03-01")


def ns(text):
    """Nanoseconds of a timestamp."""
    return pd.Timestamp(text).value


@pytest.fixture
def scored(tmp_path):
    """Scores of two entities over two days: 1, except where a test sets (entity, minute)."""

    def scored(scores, verdicts=None):
        rows = [
            (START + pd.Timedelta(minutes=minute), entity, minute)
            for minute in range(2880)
            for entity in ("a", "b")
        ]
        frame = pd.DataFrame(rows, columns=["timestamp", "entity", "minute"])
        keys = list(zip(frame["entity"], frame["minute"], strict=True))
        frame["score"] = pa.array([scores.get(key, 1.0) for key in keys], pa.float32())
        frame["verdict"] = [(verdicts or {}).get(key, "normal") for key in keys]
        frame["reason"] = pd.Series([None] * len(frame), dtype=pd.ArrowDtype(pa.string()))
        for day, part in frame.groupby(frame["timestamp"].dt.date):
            path = tmp_path / "scores" / f"date={day}" / "part-0.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(pa.Table.from_pandas(part, preserve_index=False), path)
        return tmp_path

    return scored


def run(output, *, threshold=5.0, hold=math.inf, rules=None, span=None, known=None):
    """Backtest with one threshold for both entities."""
    return backtest_threshold(
        output,
        thresholds=lambda _: AlarmLevels(threshold, hold),
        rules=rules or EventRules(5 * MINUTE),
        span=span or Span(),
        known=known,
    )


def test_an_event_across_midnight_is_one(scored):
    """It counts on the day on which it starts."""
    output = scored(dict.fromkeys([("a", minute) for minute in range(1435, 1446)], 9.0))
    found = run(output)
    assert [(alarm.entity, alarm.rows, alarm.peak) for alarm in found.alarms] == [("a", 11, 1.8)]
    assert found.by_day == {"2026-03-01": {"a": 1}, "2026-03-02": {}}
    assert found.rows == 2 * 2880


def test_a_score_at_the_threshold_is_no_event(scored):
    """As in scoring: above, not at."""
    output = scored({("a", 7): 5.0})
    assert run(output).alarms == ()
    assert len(run(output, threshold=4.9).alarms) == 1


def test_suppressed_and_unscored_rows_make_no_event(scored):
    """Suppressed rows stay suppressed."""
    high = {("a", 7): 9.0, ("a", 700): 9.0, ("b", 7): 9.0}
    output = scored(high, {("a", 7): "suppressed", ("b", 7): "not_scored"})
    assert [alarm.start for alarm in run(output).alarms] == [ns("2026-03-01 11:40")]


def test_short_events_are_counted_separately(scored):
    """They are suppressed."""
    output = scored({("a", 7): 9.0, ("b", 30): 9.0, ("b", 34): 9.0})
    found = run(output, rules=EventRules(5 * MINUTE, min_duration=3 * MINUTE))
    assert [alarm.entity for alarm in found.alarms] == ["b"]
    assert found.suppressed == 1


def test_known_anomalies_are_found_missed_and_detected_late(scored):
    """Delay counts from the start of the known anomaly; an event without overlap is false."""
    output = scored({("a", 65): 9.0, ("b", 65): 9.0, ("a", 2000): 9.0})
    known = (
        KnownAnomalies("a", ns("2026-03-01 01:00"), ns("2026-03-01 02:00")),
        KnownAnomalies("b", ns("2026-03-01 03:00"), ns("2026-03-01 04:00")),
        KnownAnomalies("a", ns("2026-05-01"), ns("2026-05-02")),  # after the scores
        KnownAnomalies("c", ns("2026-03-01"), ns("2026-03-02")),  # never scored
    )
    found = run(output, known=known)
    assert [each.delay for each in found.detections] == [5 * MINUTE, None]
    assert found.false == 2


def test_only_the_given_span_counts(scored):
    """The end `until` is exclusive."""
    output = scored({("a", 10): 9.0, ("a", 1440): 9.0, ("a", 1500): 9.0})
    span = Span(ns("2026-03-02"), ns("2026-03-02 01:00"))
    found = run(output, span=span)
    assert [alarm.start for alarm in found.alarms] == [ns("2026-03-02")]
    assert found.rows == 120


def test_nothing_scored_is_refused(tmp_path):
    """The message names the command to run."""
    with pytest.raises(NoData, match="run `aedetect score CONFIG` first"):
        run(tmp_path)


def test_the_figure_shows_events_and_known_anomalies(scored, tmp_path):
    """It is drawn with and without labels, on one line per entity."""
    output = scored({("a", 65): 9.0, ("b", 1465): 9.0})
    known = (KnownAnomalies("a", ns("2026-03-01 01:00"), ns("2026-03-01 02:00")),)
    for number, truth in enumerate((known, None)):
        figure = draw_backtest_timeline(run(output, known=truth))
        labels = [text.get_text() for text in figure.axes[1].get_yticklabels()]
        assert labels == ["a", "b"]
        heights = [bar.get_height() for bars in figure.axes[0].containers for bar in bars]
        assert sum(heights) == 2
        assert save_figure(figure, tmp_path / f"{number}.png").stat().st_size > 5_000
