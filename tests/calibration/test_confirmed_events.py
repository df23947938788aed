"""Confirmed events count as anomalous when a threshold is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.calibration import HeldOut
from aedetect.calibration.confirmed_events import with_confirmed
from aedetect.config import make_config
from aedetect.errors import CalibrationRefused
from aedetect.events import label_events, read_event_table, read_labels
from aedetect.events.labels import CONFIRMED, FALSE_ALARM
from aedetect.jobs.backtest import run_backtest
from aedetect.output.partitions import Span


@pytest.fixture
def scored(plant):
    """A plant with scores, and its largest event."""
    plant.score()
    events = read_event_table(plant.output, suppressed=True).to_pylist()
    return plant, max(events, key=lambda event: event["rows"])


def label(plant, event, opinion):
    """Label an event."""
    events = [event["event_id"]]
    label_events(plant.output, events, opinion=opinion, note=None, now="2026-02-01")
    return read_labels(plant.output)


def test_rows_of_confirmed_events_join_with_their_scores(scored):
    """Every scored row from start to end, once, labelled anomalous."""
    plant, event = scored
    labels = label(plant, event, CONFIRMED)
    none = HeldOut.of([])
    found = with_confirmed(none, labels, plant.output, entities=("east", "west"))
    assert len(found) >= event["rows"] > 1
    assert found.anomaly.all()
    assert found.score.max() == np.float32(event["peak_score"])
    assert set(found.entity.tolist()) == {("east", "west").index(event["entity"])}
    again = with_confirmed(found, labels, plant.output, entities=("east", "west"))
    assert len(again) == len(found)


def test_false_alarms_do_not_join(scored):
    """They are not anomalous."""
    plant, event = scored
    labels = label(plant, event, FALSE_ALARM)
    none = HeldOut.of([])
    assert len(with_confirmed(none, labels, plant.output, entities=("east", "west"))) == 0


def test_fbeta_uses_them(scored):
    """It is refused without any label, and works with a confirmed event."""
    plant, event = scored
    given = plant.given() | {"calibration": {"threshold": "fbeta"}}
    config = make_config(given, folder=plant.folder)
    with pytest.raises(CalibrationRefused):
        run_backtest(config, span=Span(), days=None, recalibrate=True)
    label(plant, event, CONFIRMED)
    _, calibration = run_backtest(config, span=Span(), days=None, recalibrate=True)
    assert calibration.threshold.method == "fbeta"
    assert calibration.elsewhere
