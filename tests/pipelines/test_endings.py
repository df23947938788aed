"""How processes of runs end: what is left to send is sent, and not told of unless it takes long."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time

from prefect.events.filters import EventFilter, EventNameFilter
from prefect.settings import PREFECT_API_URL

from pipelines.endings import quiet_remainders

EVENTS = 1_000
_RUN = f"""
import sys
from prefect.events import emit_event
from pipelines.endings import quiet_remainders
if sys.argv[2] == "quiet":
    quiet_remainders()
for number in range({EVENTS}):
    emit_event(sys.argv[1], resource={{"prefect.resource.id": f"aedetect.{{number}}"}})
"""


def test_a_process_with_many_events_ends_quietly(prefect, client):
    """All are sent, as without the filter, with which Prefect tells of the rest."""
    known = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value(), "NO_COLOR": "1"}
    for how in ("loud", "quiet"):
        command = [sys.executable, "-c", _RUN, f"aedetect.{how}", how]
        done = subprocess.run(command, env=known, check=True, capture_output=True, text=True)
        assert ("Still processing" in done.stdout + done.stderr) == (how == "loud")
        assert arrived(client, f"aedetect.{how}") == EVENTS


def arrived(client, name):
    """Wait until the server has stored the events; return how many there are."""
    asked = EventFilter(event=EventNameFilter(name=[name])).model_dump(mode="json")
    deadline, found = time.monotonic() + 30, 0
    while found < EVENTS and time.monotonic() < deadline:
        answer = client.request("POST", "/events/filter", json={"filter": asked})
        found = answer.json()["total"]
        time.sleep(0.1)
    return found


def test_what_takes_seconds_is_told(caplog, monkeypatch):
    """So that who waits for the end of a process knows why; other messages are left alone."""
    logger = logging.getLogger("APILogWorker")
    monkeypatch.setattr(logger, "filters", [])
    quiet_remainders()
    quiet_remainders()
    for text in ("Still processing items: 3", "Still processing items: 2", "failed"):
        logger.warning(text)
    assert caplog.messages == ["Still processing items: 2", "failed"]
