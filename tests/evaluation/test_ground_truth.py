"""Known anomalies come from the label column and from confirmed events."""

from __future__ import annotations

import pandas as pd
import pytest

from aedetect.data import find_files
from aedetect.data.settings import DataSettings
from aedetect.evaluation import KnownAnomalies, known_anomalies
from aedetect.events import Label
from aedetect.events.labels import CONFIRMED, FALSE_ALARM

MINUTE = 60 * 10**9


@pytest.fixture
def labelled(tmp_path, write):
    """Ten minutes of two units in one file; u1 is anomalous in minutes 2, 3 and 8."""
    time = pd.date_range("2026-03-01", periods=10, freq="min")
    frames = [
        pd.DataFrame(
            {
                "time": time,
                "unit": unit,
                "anomaly": [unit == "u1" and m in hot for m in range(10)],
            }
        )
        for unit, hot in (("u2", ()), ("u1", (2, 3, 8)))
    ]
    write(pd.concat(frames), tmp_path / "rows.parquet")
    return find_files([str(tmp_path)], timestamp="time")


def settings(label="anomaly"):
    """Names of the columns."""
    return DataSettings(train="-", timestamp="time", entity="unit", label=label)


def at(minute):
    """Nanoseconds of a minute of the day."""
    return pd.Timestamp("2026-03-01").value + minute * MINUTE


def event_label(opinion, unit="u2"):
    """A label from the fifth to the sixth minute."""
    return Label(
        event_id="x", entity=unit, start=at(5), end=at(6), context=0, opinion=opinion,
        note=None, labelled="2026-03-02",
    )  # fmt: skip


def test_labelled_rows_close_to_each_other_are_one_interval(labelled):
    """Up to a distance of `merge_gap`."""
    found = known_anomalies(labelled, settings(), (), merge_gap=MINUTE)
    assert found == (KnownAnomalies("u1", at(2), at(3)), KnownAnomalies("u1", at(8), at(8)))
    assert known_anomalies(labelled, settings(), (), merge_gap=5 * MINUTE) == (
        KnownAnomalies("u1", at(2), at(8)),
    )


def test_confirmed_events_count_and_false_alarms_do_not(labelled):
    """Confirmed events are added to the label column."""
    found = known_anomalies(labelled, settings(), (event_label(CONFIRMED),), merge_gap=5 * MINUTE)
    assert found == (KnownAnomalies("u1", at(2), at(8)), KnownAnomalies("u2", at(5), at(6)))
    assert (
        len(
            known_anomalies(labelled, settings(), (event_label(FALSE_ALARM),), merge_gap=5 * MINUTE)
        )
        == 1
    )


def test_confirmed_events_are_enough(labelled):
    """Without a label column they are the only known anomalies."""
    found = known_anomalies(
        labelled, settings(label=None), (event_label(CONFIRMED),), merge_gap=MINUTE
    )
    assert found == (KnownAnomalies("u2", at(5), at(6)),)


def test_without_labels_nothing_is_known(labelled):
    """This differs from nothing being anomalous."""
    assert (
        known_anomalies(
            labelled, settings(label=None), (event_label(FALSE_ALARM),), merge_gap=MINUTE
        )
        is None
    )
