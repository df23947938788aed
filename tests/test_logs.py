"""Structured log events."""

from __future__ import annotations

import logging

from aedetect.logs import log_event

LOGGER = logging.getLogger("aedetect.test")


def test_an_event_is_a_line_and_data(caplog):
    """The message is readable, and the fields keep their types."""
    with caplog.at_level(logging.INFO):
        log_event(LOGGER, "epoch", number=1, loss=0.12345678)
    (record,) = caplog.records
    assert record.getMessage() == "epoch number=1 loss=0.123457"
    assert record.event == "epoch"
    assert record.fields == {"number": 1, "loss": 0.12345678}


def test_a_note_is_a_warning(caplog):
    """It is visible at the default log level."""
    with caplog.at_level(logging.WARNING):
        log_event(LOGGER, "epoch", number=1)
        log_event(LOGGER, "note", text="100% missing")
    assert [record.getMessage() for record in caplog.records] == ["note text=100% missing"]
