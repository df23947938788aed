"""Notifications, to real receivers on this machine."""

from __future__ import annotations

import base64
import logging
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from verdict_files import event, write_events, write_scores

from aedetect.delivery import receivers, send_events
from aedetect.delivery.sent_log import receiver_id
from aedetect.delivery.settings import NotifySettings
from aedetect.errors import ConfigError, OutputError

FIRST, SECOND = "date=2026-01-03", "date=2026-01-04"


@pytest.fixture
def output(tmp_path):
    """An output with its newest row at noon, and one event in the morning."""
    folder = tmp_path / "output"
    write_scores(folder, FIRST, "2026-01-03T12:00:00")
    write_events(folder, FIRST, [event("e1", "2026-01-03T05:00:00")])
    return folder


@pytest.fixture
def notify(output, receiver):
    """Notify the receiver, or others, of the events."""

    def notify(*others, timeout=30.0, page=None, draw=None, **settings):
        urls = [each.url for each in (others or (receiver,))]
        return send_events(
            output,
            receivers(["env:X"] * len(urls), urls),
            NotifySettings(**settings),
            detector="pump",
            label="aedetect label pump.toml",
            timeout=timeout,
            page=page,
            draw=draw,
        )

    return notify


def test_one_message_per_event(notify, receiver):
    """With entity, severity, time, description, causes, id and the label command."""
    assert notify() == 1
    (message,) = receiver.messages
    assert message["title"] == "pump: warning at east"
    assert message["type"] == "warning"
    assert message["message"].split("\n") == [
        "2026-01-03 05:00 to 2026-01-03 05:10, 11 rows",
        "cpu is 500, 48.5 was expected",
        "to blame: cpu 75%",
        "event e1",
        "A fault: aedetect label pump.toml e1 --confirmed",
        "A false alarm: aedetect label pump.toml e1 --false-alarm",
    ]


def test_a_shared_outage_is_one_message(notify, receiver, output):
    """With the entities, the most severe first; what joins it later is sent then."""
    at = "2026-01-03T05:00:00"
    rows = [
        event("e1", at),
        event("e2", at, "west", severity="critical", incident_id="e1"),
        event("e3", "2026-01-03T08:00:00", "north"),
    ]
    write_events(output, FIRST, rows)
    assert (notify(), notify()) == (2, 0)
    assert receiver.titles == ["pump: critical at 2 entities", "pump: warning at north"]
    first, *paragraphs, label = receiver.messages[0]["message"].split("\n\n")
    assert first == "2 events began together: west, east"
    assert [each.split()[:2] for each in paragraphs] == [
        ["[critical]", "west"],
        ["[warning]", "east"],
    ]
    command = "aedetect label pump.toml EVENT"
    assert label == f"A fault: {command} --confirmed\nA false alarm: {command} --false-alarm"
    write_events(output, FIRST, [*rows, event("e4", at, "south", incident_id="e1")])
    assert (notify(), notify()) == (1, 0)
    assert receiver.titles[-1] == "pump: warning at south"


def test_a_digest_lists_what_began_together_together(notify, receiver, output):
    """Under the most severe of it."""
    at = "2026-01-03T05:00:00"
    rows = [
        event("e1", at, severity="info"),
        event("e2", "2026-01-03T06:00:00", "north"),
        event("e3", at, "west", severity="critical", incident_id="e1"),
    ]
    write_events(output, FIRST, rows)
    assert notify(digest=True) == 1
    (message,) = receiver.messages
    listed = [each.split()[1] for each in message["message"].split("\n\n")[:-1]]
    assert (listed, message["title"]) == (
        ["west", "east", "north"],
        "pump: 3 events (1 critical, 1 warning, 1 info)",
    )


def test_an_event_is_sent_once(notify, receiver, output):
    """Also when it grows, or its severity falls."""
    assert (notify(), notify()) == (1, 0)
    write_events(output, FIRST, [event("e1", "2026-01-03T05:00:00", minutes=60, severity="info")])
    assert notify(min_severity="info") == 0
    assert len(receiver.messages) == 1


def test_an_event_is_sent_again_when_it_becomes_more_severe(notify, receiver, output):
    """Once per severity."""
    notify()
    write_events(output, FIRST, [event("e1", "2026-01-03T05:00:00", severity="critical")])
    assert (notify(), notify()) == (1, 0)
    assert receiver.titles == ["pump: warning at east", "pump: critical at east"]
    assert receiver.messages[1]["type"] == "failure"


@pytest.mark.parametrize(
    ("least", "expected"),
    [("info", ["e1", "e2", "e3"]), ("warning", ["e1", "e3"]), ("critical", ["e3"])],
)
def test_minimum_severity(notify, receiver, output, least, expected):
    """Less severe events are neither sent nor logged as sent."""
    severities = {"e1": "warning", "e2": "info", "e3": "critical"}
    rows = [event(n, f"2026-01-03T0{n[1]}:00:00", severity=s) for n, s in severities.items()]
    write_events(output, FIRST, rows)
    notify(min_severity=least)
    assert [each["message"].split()[-2] for each in receiver.messages] == expected
    assert notify(min_severity="info") == 3 - len(expected)


def test_suppressed_events_are_not_sent(notify, receiver, output):
    """They are sent once they are reported."""
    write_events(output, FIRST, [event("e1", "2026-01-03T05:00:00", suppressed="too short")])
    assert notify() == 0
    write_events(output, FIRST, [event("e1", "2026-01-03T05:00:00")])
    assert notify() == 1


@pytest.mark.parametrize(
    "time", [pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("s", tz="Europe/Berlin")]
)
def test_old_events_are_not_sent(notify, receiver, output, time):
    """A first run over years sends events of the last day, relative to the newest row."""
    write_scores(output, SECOND, "2026-01-04T12:00:00", time=time)
    rows = [
        event("old", "2026-01-03T11:00:00", minutes=59),
        event("new", "2026-01-03T11:00:00", minutes=60),
        event("long", "2026-01-03T00:00:00", minutes=2000),
    ]
    write_events(output, FIRST, rows, time=time)
    assert notify() == 2
    assert {each["message"].split()[-2] for each in receiver.messages} == {"new", "long"}
    assert notify(max_age="25h") == 1


def test_nothing_scored_is_nothing_sent(notify, tmp_path, output, receiver):
    """No scores, or no events: no message and no file."""
    for kind in ("scores", "events"):
        for path in (output / kind).rglob("*.parquet"):
            path.unlink()
        assert notify() == 0
    assert receiver.messages == []
    assert not (output / "notified").exists()


def test_digest_is_one_message(notify, receiver, output):
    """The most severe event first; the next run sends only new events."""
    rows = [
        event("e1", "2026-01-03T05:00:00"),
        event("e2", "2026-01-03T06:00:00", "west", severity="critical"),
        event("e3", "2026-01-03T07:00:00", None),
    ]
    write_events(output, FIRST, rows)
    assert notify(digest=True) == 1
    (message,) = receiver.messages
    assert message["title"] == "pump: 3 events (1 critical, 2 warning)"
    assert message["type"] == "failure"
    assert message["message"].startswith("[critical] west 2026-01-03 06:00 to")
    last = "A false alarm: aedetect label pump.toml EVENT --false-alarm"
    assert message["message"].endswith(last)
    write_events(output, FIRST, [*rows, event("e4", "2026-01-03T08:00:00")])
    assert notify(digest=True) == 1
    assert receiver.titles[1] == "pump: 1 event (1 warning)"
    assert notify() == 0


def test_a_digest_of_many_counts_the_rest(notify, receiver, output):
    """A message stays readable; the others are not sent later."""
    rows = [event(f"e{n}", f"2026-01-03T05:{n:02}:00") for n in range(50)]
    write_events(output, FIRST, rows)
    assert notify(digest=True) == 1
    assert "and 10 more" in receiver.messages[0]["message"]
    assert notify() == 0


def test_a_failing_receiver_is_a_warning_and_retried(notify, receiver, caplog):
    """Nothing is raised; the next run sends what was missed. The log does not contain the URL."""
    receiver.answer = 500
    with caplog.at_level(logging.WARNING):
        assert notify() == 0
    assert "receiver=[notify] urls[0] (json) missed=1 reason=" in caplog.text
    assert "error=500" in caplog.text
    assert "secret-token" not in caplog.text
    receiver.answer = 200
    assert notify() == 1


def test_an_absent_receiver_is_a_warning(notify, receiver, caplog, capfd):
    """Nothing listens there, and nothing else is printed."""
    receiver.shutdown()
    receiver.server_close()
    with caplog.at_level(logging.WARNING):
        assert notify() == 0
    assert "onnection" in caplog.text
    assert capfd.readouterr() == ("", "")


def test_a_receiver_that_fails_midway_gets_the_rest_later(notify, receiver, output):
    """Accepted messages are not repeated."""
    write_events(output, FIRST, [event(f"e{n}", f"2026-01-03T05:0{n}:00") for n in range(5)])
    receiver.most = 2
    assert notify() == 2
    receiver.most = None
    assert notify() == 3
    sent = [each["message"].split()[-2] for each in receiver.messages]
    assert sent == ["e0", "e1", "e2", "e3", "e4"]


def several(output, *entities):
    """Write an event of each entity, one a minute."""
    events = [
        event(f"e-{name}", f"2026-01-03T05:{n:02}:00", name) for n, name in enumerate(entities)
    ]
    write_events(output, FIRST, events)


def test_a_message_that_is_refused_keeps_no_other(notify, receiver, output, caplog):
    """It is logged and not sent again; the others are sent at once."""
    several(output, "first", "poison", "third", "fourth")
    receiver.refuses = {"poison": 400}
    with caplog.at_level(logging.WARNING):
        assert notify() == 3
    assert receiver.titles == [f"pump: warning at {name}" for name in ("first", "third", "fourth")]
    assert "refused, and not sent again: pump: warning at poison" in caplog.text
    receiver.refuses = {}
    assert notify() == 0
    several(output, "poison")
    write_events(
        output, FIRST, [event("e-poison", "2026-01-03T05:01:00", "poison", severity="critical")]
    )
    assert notify() == 1


def test_a_message_that_fails_beside_others_is_given_up_after_three_runs(notify, receiver, output):
    """It may be the receiver's fault; who takes it meanwhile is not asked again."""
    receiver.refuses = {"poison": 500}
    for number in range(4):
        names = ["poison", *(f"n{n}" for n in range(number + 1))]
        several(output, *names)
        assert notify() == 1
    receiver.refuses = {}
    assert notify() == 0


def test_a_message_that_failed_is_sent_when_it_is_taken(notify, receiver, output):
    """The count of its failures is removed."""
    receiver.refuses = {"poison": 500}
    several(output, "poison", "other")
    assert notify() == 1
    receiver.refuses = {}
    assert notify() == 1
    path = output / "notified" / "part-0.parquet"
    assert {row["kind"] for row in pq.read_table(path).to_pylist()} == {"event"}


def test_many_refusals_in_a_row_do_not_hide_that_a_receiver_is_up(notify, receiver, output):
    """The newest message is tried before it is taken for down."""
    several(output, *(f"poison{n}" for n in range(8)), "last", "newest")
    receiver.refuses = {"poison": 500}
    assert notify() == 2
    assert sorted(receiver.titles) == ["pump: warning at last", "pump: warning at newest"]


def test_titles_are_lines_that_mail_takes(notify, receiver, output):
    """Whatever entities are called."""
    several(output, "a\nb\r\nBcc: all", "x" * 300)
    assert notify() == 2
    assert receiver.titles[0] == "pump: warning at a b Bcc: all"
    assert (len(receiver.titles[1]), receiver.titles[1][-5:]) == (200, "xx...")


def test_a_hanging_receiver_does_not_block_the_run(notify, receiver, make_receiver, caplog):
    """It is abandoned after the timeout; the others have their messages by then."""
    hanging = make_receiver()
    hanging.hangs.set()
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert notify(hanging, receiver, timeout=0.5) == 1
    assert time.monotonic() - began < 3
    assert "urls[0] (json) missed=1 reason=no answer within 0.5 s" in caplog.text
    assert len(receiver.messages) == 1


def test_receivers_are_independent(notify, make_receiver, receiver):
    """A failed one does not repeat messages to the others, and gets its own later."""
    dead = make_receiver()
    dead.answer = 503
    assert notify(receiver, dead) == 1
    dead.answer = 200
    assert notify(receiver, dead) == 1
    assert (len(receiver.messages), len(dead.messages)) == (1, 1)
    newcomer = make_receiver()
    assert notify(receiver, dead, newcomer) == 1


def test_state_holds_no_url(notify, receiver, output):
    """Receivers are identified by a hash."""
    notify()
    path = output / "notified" / "part-0.parquet"
    assert pq.read_table(path).to_pylist() == [
        {
            "receiver": receiver_id(receiver.url),
            "kind": "event",
            "key": "e1",
            "severity": "warning",
        }
    ]
    assert b"secret-token" not in path.read_bytes()


def test_damaged_state_is_named(notify, output):
    """The message states the effect of removing it."""
    notify()
    path = output / "notified" / "part-0.parquet"
    path.write_bytes(b"nothing")
    with pytest.raises(OutputError, match=r"notified/part-0\.parquet cannot be read .* remove it"):
        notify()
    path.unlink()
    assert notify() == 1


@pytest.mark.parametrize("name", ["../../x", "<b>&", "a\nb", "%s {x}", "日本", None])
def test_any_entity_can_be_sent(notify, receiver, output, name):
    """Its name is data, whatever characters it has."""
    write_events(output, FIRST, [event("e1", "2026-01-03T05:00:00", name)])
    assert notify() == 1
    assert (name or "the only series").split("\n")[0] in receiver.titles[0]


@pytest.mark.parametrize(
    "url", ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "json://me:canary@host"]
)
def test_tokens_in_the_configuration_are_refused(url):
    """Apprise knows which parts of a URL are secret; by reference the same URL is taken."""
    with pytest.raises(ConfigError, match=r"urls\[0\] must not hold .* env:NAME") as refused:
        receivers([url], [url])
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in str(refused.value)
    assert "canary" not in str(refused.value)
    assert len(receivers(["env:TEAM"], [url])) == 1


def test_addresses_without_secrets_are_accepted_in_the_configuration():
    """Such as that of an internal server."""
    assert receivers(["json://host:8080/path"], ["json://host:8080/path"])


@pytest.mark.parametrize("url", ["canary", "nothing://canary", "slack://canary"])
def test_unsupported_urls_are_refused(url, capfd):
    """Without repeating them."""
    with pytest.raises(ConfigError, match=r"urls\[0\] must be a URL of Apprise") as refused:
        receivers(["env:X"], [url])
    assert "canary" not in str(refused.value)
    assert capfd.readouterr() == ("", "")


def test_libraries_are_not_imported_without_receivers():
    """Without URLs neither Apprise nor SQLAlchemy is imported."""
    code = (
        "import sys, aedetect.jobs.delivery, aedetect.config\n"
        "from pathlib import Path\n"
        "given = {'detector': {'name': 'x'}, 'data': {'train': 'x', 'timestamp': 't'}}\n"
        "config = aedetect.config.make_config(given, folder=Path())\n"
        "aedetect.jobs.delivery.check_delivery(config)\n"
        "aedetect.jobs.delivery.notify(config, config_path='x.toml')\n"
        "aedetect.jobs.delivery.fill_database(config)\n"
        "sys.exit(bool({'apprise', 'sqlalchemy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


_NOTIFY = """
import sys
from pathlib import Path
from aedetect.delivery.senders import receivers
from aedetect.delivery.alerts import send_alerts
from aedetect.delivery.notify import send_events
from aedetect.delivery.settings import NotifySettings
people = receivers(["env:X"], [sys.argv[2]])
output = Path(sys.argv[1])
send_alerts(output, people, {"stale": "no data"}, detector="pump")
send_events(output, people, NotifySettings(), detector="pump", label="aedetect label pump.toml")
"""


def test_concurrent_runs_send_once(output, receiver):
    """The others wait until the log is written, and read it."""
    receiver.delay = 1.0
    runs = [
        subprocess.Popen([sys.executable, "-c", _NOTIFY, output, receiver.url]) for _ in range(4)
    ]
    assert [run.wait() for run in runs] == [0, 0, 0, 0]
    assert sorted(receiver.titles) == ["pump: stale", "pump: warning at east"]


def test_what_was_sent_long_ago_is_forgotten(notify, output, receiver):
    """Once the log is long and something is sent; never entries that prevent a repeat."""
    path = output / "notified" / "part-0.parquet"
    notify()
    names = pq.read_schema(path).names
    old = [
        {"receiver": "r", "kind": "event", "key": f"old{n}", "severity": "info"}
        for n in range(1200)
    ]
    kept = [
        {"receiver": "r", "kind": "event", "key": "e0", "severity": "info"},
        {"receiver": "r", "kind": "alert", "key": "stale", "severity": ""},
    ]
    rows = pq.read_table(path).to_pylist()
    pq.write_table(pa.Table.from_pylist([*old, *kept, *rows], pq.read_schema(path)), path)
    assert notify() == 0
    assert len(pq.read_table(path)) == 1203
    events = [event("e0", "2025-12-01T00:00:00"), event("older", "2025-09-01T00:00:00")]
    write_events(output, "date=2025-12-01", events[:1])
    write_events(output, "date=2025-09-01", events[1:])
    write_events(output, SECOND, [event("e2", "2026-01-04T05:00:00")])
    assert notify() == 1
    found = pq.read_table(path).to_pylist()
    assert {row["key"] for row in found} == {"e0", "stale", "e1", "e2"}
    assert set(names) == set(found[0])


def test_messages_name_the_page(notify, receiver, output):
    """With the event, where it is one."""
    assert notify(page="/reports/report.html") == 1
    assert receiver.messages[0]["message"].split("\n")[-1] == "Page: /reports/report.html#e-e1"
    at = "2026-01-03T06:00:00"
    write_events(output, FIRST, [event("e2", at), event("e3", at, "west", incident_id="e2")])
    assert notify(page="/reports/report.html") == 1
    assert receiver.messages[1]["message"].split("\n")[-1] == "Page: /reports/report.html"


def test_a_picture_is_attached(notify, receiver, tmp_path):
    """To the message about its event; it is drawn once, and only when there is a message."""
    picture, drawn = tmp_path / "e1.png", []
    picture.write_bytes(b"\x89PNG\r\n")

    def draw(name):
        drawn.append(name)
        return picture

    assert (notify(draw=draw), notify(draw=draw)) == (1, 0)
    assert drawn == ["e1"]
    (attached,) = receiver.messages[0]["attachments"]
    assert attached["filename"] == "e1.png"
    assert base64.b64decode(attached["base64"]) == picture.read_bytes()


def test_pictures_are_of_the_most_severe_messages(notify, output, tmp_path):
    """Not of the first ones, of which a backfill has many."""
    times = [f"2026-01-03T{hour:02d}:00:00" for hour in range(2, 10)]
    severities = ["warning"] * 7 + ["critical"]
    events = [
        event(f"e{at}", time, severity=severity)
        for at, (time, severity) in enumerate(zip(times, severities, strict=True))
    ]
    write_events(output, FIRST, events)
    drawn = []
    notify(draw=drawn.append)
    assert (drawn[0], len(drawn)) == ("e7", 5)


def test_a_message_without_a_picture_is_sent_too(notify, receiver, tmp_path):
    """When it could not be drawn, or is refused with it."""
    assert notify(draw=lambda _name: None) == 1
    assert receiver.messages[0]["attachments"] == []


def test_a_refused_picture_does_not_keep_the_message_back(notify, receiver, tmp_path):
    """It is sent again without it."""
    picture = tmp_path / "e1.png"
    picture.write_bytes(b"\x89PNG\r\n")
    receiver.refuses_attachments = True
    assert notify(draw=lambda _name: picture) == 1
    assert receiver.messages[0]["attachments"] == []
