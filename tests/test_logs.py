"""Structured log events."""

from __future__ import annotations

import logging

import pytest

from aedetect.errors import OutputError
from aedetect.logs import log_event, logged_to

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


def test_events_go_to_a_file_when_asked(tmp_path):
    """A line each, appended, with its time and level."""
    path = tmp_path / "run.log"
    for number in (1, 2):
        with logged_to(path):
            log_event(LOGGER, "epoch", number=number)
    log_event(LOGGER, "epoch", number=3)
    lines = path.read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [
        "INFO epoch number=1",
        "INFO epoch number=2",
    ]


def test_a_log_that_cannot_be_written_is_refused(tmp_path):
    """The message names it."""
    with (
        pytest.raises(OutputError, match=r"log .*none.*cannot be written"),
        logged_to(tmp_path / "none" / "run.log"),
    ):
        pass
