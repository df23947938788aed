"""Messages about alerts of runs, to real receivers on this machine: that they began, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from apprise import Apprise

from aedetect.delivery import receivers, send_alerts
from aedetect.delivery.alert_messages import messages_of_alerts
from aedetect.delivery.fields import add_fields, given_extras
from aedetect.delivery.sent_log import read_sent

EAST, WEST = "slow fault: east", "slow fault: west"


@pytest.fixture
def tell(tmp_path, receiver):
    """Send the alerts of a run to the receiver, or others; return how many messages went out."""

    def tell(*to, ended=lambda name: f"{name} is over", **alerts):
        urls = [each if isinstance(each, str) else each.url for each in (to or (receiver,))]
        people = receivers(["env:X"] * len(urls), urls)
        named = {name.replace("_", ": "): text for name, text in alerts.items()}
        return send_alerts(tmp_path, people, named, detector="pump", ended=ended, timeout=5.0)

    return tell


def test_an_alert_is_sent_until_it_is_over(tell, receiver):
    """Once, even if its text changes, and its end once; again when it returns."""
    assert (tell(stale="no rows for 3 h"), tell(stale="no rows for 4 h")) == (1, 0)
    assert tell(stale="no rows for 5 h", drift="much") == 1
    assert (tell(), tell(), tell(stale="no rows for 3 h")) == (2, 0, 1)
    assert receiver.titles == [
        *("pump: stale", "pump: drift", "pump: over: drift", "pump: over: stale", "pump: stale"),
    ]
    assert receiver.messages[0]["message"] == "no rows for 3 h"
    assert receiver.messages[3]["message"] == "stale is over"


def test_begin_and_end_share_an_id(tell, receiver):
    """In fields of the webhook, for programs: what it is, whether it stands, and its text."""
    tell(fault_east="far", fault_west="far")
    tell(fault_west="far")
    begun, over = receiver.messages
    assert (begun["type"], over["type"]) == ("failure", "success")
    assert (begun["status"], over["status"]) == ("firing", "resolved")
    assert [each["name"] for each in begun["alerts"]] == ["fault: east", "fault: west"]
    east = {"id": begun["ids"][0], "name": "fault: east", "text": "fault: east is over"}
    assert over["alerts"] == [east]
    assert (over["ids"], over["detector"], over["kind"]) == (begun["ids"][:1], "pump", "alert")
    assert len(set(begun["ids"])) == 2


def test_a_url_may_rename_the_fields(tell, receiver):
    """As Apprise has it for its own: `:ids=keys`, and without a name they are left out."""
    url = f"{receiver.url}?:ids=keys&:alerts=&:room=7&:message=text"
    tell(url, stale="old")
    tell(url)
    for message in receiver.messages:
        assert message["room"] == "7"
        assert {"text", "keys", "status"} <= set(message)
        assert not {"ids", "alerts", "message"} & set(message)


@pytest.mark.parametrize(("kind", "field"), [("form", "ids"), ("xml", "ids")])
def test_other_webhooks_have_the_ids_as_text(kind, field):
    """Lists are for JSON alone."""
    url = f"{kind}://127.0.0.1:9/"
    service = Apprise.instantiate(url)
    (message,) = messages_of_alerts({EAST: "far", WEST: "far"}, detector="pump")
    add_fields(service, message, url=url, extras=given_extras(service))
    assert service.payload_extras["status"] == "firing"
    assert len(service.payload_extras[field].split(",")) == 2


def test_pagers_close_the_incident_that_was_opened():
    """Where each alert is an incident with a key: begin and end of one have the same key."""
    keys = []
    for over in (False, True):
        listed = messages_of_alerts(
            {EAST: "far", WEST: "far"}, detector="pump", apart=True, over=over
        )
        assert len(listed) == 2
        for url in ("pagertree://int_abcdefghij", "splunk://key@apikey123"):
            service = Apprise.instantiate(url)
            for message in listed:
                add_fields(service, message, url=url, extras={})
                keys.append(getattr(service, "thirdparty", None) or service.entity_id)
            if url.startswith("pagertree"):
                assert service.action == ("resolve" if over else "create")
    assert keys[:4] == keys[4:]
    assert len(set(keys)) == 4


def test_a_pager_that_cannot_close_is_not_told_of_ends(tell, tmp_path, receiver):
    """It would open an incident for the end; what returns later is told again."""
    url = f"pagerduty://{'i' * 20}@{'a' * 20}/"
    (pager,) = receivers(["env:X"], [url])
    known = SentFor(tmp_path, pager.id, "stale")
    tell(stale="old")
    known.add()
    assert tell(receiver.url, url) == 1
    assert receiver.titles == ["pump: stale", "pump: over: stale"]
    assert read_sent(tmp_path) == {}


class SentFor:
    """An alert that is known to a receiver that no test can reach."""

    def __init__(self, output, receiver, name):
        self.output, self.receiver, self.name = output, receiver, name

    def add(self):
        """Note that it was sent."""
        from aedetect.delivery.sent_log import SentEntry, write_sent

        write_sent(self.output, {SentEntry(self.receiver, "alert", self.name): ""})


def test_ends_are_for_those_who_were_told_of_the_begin(tell, make_receiver):
    """One that joins later hears of no end; one that was down then hears neither."""
    first, second, third = (make_receiver() for _ in range(3))
    second.answer = 500
    assert tell(first, second, stale="old") == 1
    second.answer = 200
    assert tell(first, second, third) == 1
    assert first.titles == ["pump: stale", "pump: over: stale"]
    assert second.titles == third.titles == []


def test_a_refused_begin_has_no_end(tell, receiver):
    """Who never took the message about it hears of no end."""
    receiver.refuses = {"pump: stale": 422}
    assert (tell(stale="old"), tell(stale="old"), tell()) == (0, 0, 0)
    receiver.refuses = {}
    assert tell(stale="old") == 1


def test_an_end_that_was_not_accepted_is_retried(tell, receiver):
    """Until it is; an alert that is back by then is told again, as it may have been heard."""
    tell(stale="old")
    receiver.answer = 500
    assert (tell(), tell()) == (0, 0)
    receiver.answer = 200
    assert (tell(), tell()) == (1, 0)
    tell(stale="old")
    receiver.answer = 500
    assert tell() == 0
    receiver.answer = 200
    assert (tell(stale="old"), tell()) == (1, 1)


def test_what_may_not_be_over_neither_ends_nor_begins_anew(tell, receiver):
    """As long as nothing says why: such as an entity without rows."""
    tell(stale="old")
    assert tell(ended=lambda _name: None) == 0
    assert tell(stale="old") == 0
    assert tell() == 1
    assert receiver.titles == ["pump: stale", "pump: over: stale"]


def test_a_log_of_before_is_read(tell, tmp_path, receiver):
    """Alerts that an earlier version sent have an end, too."""
    (person,) = receivers(["env:X"], [receiver.url])
    SentFor(tmp_path, person.id, "stale").add()
    assert tell() == 1
    assert receiver.titles == ["pump: over: stale"]


_RUN = """
import sys
from pathlib import Path
from aedetect.delivery.senders import receivers
from aedetect.delivery.alerts import send_alerts
alerts = {"stale": "no data"} if sys.argv[3] == "begin" else {}
people = receivers(["env:X"], [sys.argv[2]])
send_alerts(Path(sys.argv[1]), people, alerts, detector="pump")
"""


@pytest.mark.parametrize("killed", ["begin", "end"])
@pytest.mark.parametrize("after", ["begin", "end"])
def test_a_killed_run_is_made_up_for(tell, tmp_path, receiver, killed, after):
    """Killed once a message is accepted and not logged: the receiver knows the truth in the end."""
    if killed == "end":
        tell(stale="old")
    receiver.delay = 60.0
    told = len(receiver.messages)
    run = subprocess.Popen([sys.executable, "-c", _RUN, tmp_path, receiver.url, killed])
    deadline = time.monotonic() + 60
    while len(receiver.messages) == told and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    receiver.delay = 0.0
    assert tell(**({"stale": "old"} if after == "begin" else {})) == 1
    assert tell(**({"stale": "old"} if after == "begin" else {})) == 0
    last = receiver.messages[-1]
    assert last["status"] == ("firing" if after == "begin" else "resolved")
    assert len({tuple(each["ids"]) for each in receiver.messages}) == 1


def test_alerts_of_one_kind_are_one_message(tmp_path, receiver):
    """Of several entities at once; one that joins them later is told alone."""
    people = receivers(["env:X"], [receiver.url])

    def alert(*names):
        found = {f"level has shifted: {name}": f"{name} is up" for name in names}
        return send_alerts(tmp_path, people, found, detector="pump")

    assert (alert("east", "west"), alert("east", "west", "north"), alert("east")) == (1, 1, 1)
    assert receiver.titles == [
        "pump: level has shifted: 2 entities",
        "pump: level has shifted: north",
        "pump: over: level has shifted: 2 entities",
    ]
    assert "east: east is up" in receiver.messages[0]["message"]


def test_an_alert_of_all_together_names_the_message_of_its_kind(tmp_path, receiver):
    """It is no entity: the title does not count it, and its text has no name before it."""
    alerts = {"promise not kept: east": "east: 9 %", "promise not kept": "in the last 7 days 5 %"}
    send_alerts(tmp_path, receivers([receiver.url], [receiver.url]), alerts, detector="pump")
    assert receiver.titles == ["pump: promise not kept"]
    assert receiver.messages[0]["message"].split("\n\n") == ["east: 9 %", "in the last 7 days 5 %"]


def test_an_alert_that_was_not_accepted_is_retried(tmp_path, receiver):
    """Events already sent are not sent again."""
    people = receivers(["env:X"], [receiver.url])
    receiver.answer = 500
    assert send_alerts(tmp_path, people, {"stale": "x"}, detector="pump") == 0
    receiver.answer = 200
    assert send_alerts(tmp_path, people, {"stale": "x"}, detector="pump") == 1
