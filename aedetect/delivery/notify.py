"""Notify receivers of events and alerts: once unless killed, again if more severe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aedetect.delivery.alert_messages import messages_of_alerts
from aedetect.delivery.messages import (
    Message,
    PendingEvent,
    digest,
    message_per_incident,
    read_recent,
    recent_ids,
)
from aedetect.delivery.senders import TIMEOUT, Outcome, Receiver, send, takes_pictures
from aedetect.delivery.sent_log import NOTIFIED, SentEntry, SentLog, read_sent, write_sent
from aedetect.delivery.settings import NotifySettings
from aedetect.logs import log_event
from aedetect.output.atomic import updating
from aedetect.output.schemas import SEVERITIES
from aedetect.timestamps import parse_duration

EVENT, ALERT = "event", "alert"
REFUSED = "refused"  # entries that count the runs in which only this message was not accepted
_MAX_ENTRIES = 1_000  # of the log, beyond which old ones are removed
_MAX_REFUSALS = 3  # runs, after which it is not retried
_MAX_PICTURES = 5  # drawn per run: each takes about a second
logger = logging.getLogger(__name__)

Due = Mapping[Receiver, Sequence[Message]]
Draw = Callable[[str], Path | None]


def send_events(
    output: Path,
    receivers: Sequence[Receiver],
    settings: NotifySettings,
    *,
    detector: str,
    label: str,
    keep: str = "90d",
    timeout: float = TIMEOUT,
    page: str | None = None,
    draw: Draw | None = None,
) -> int:
    """Notify each receiver of new recent events; return the number of messages sent.

    Messages name the page that shows the events, and carry a picture of their worst event where a
    receiver takes one: `draw` makes it of an event id, or returns None.

    The next run retries messages that were not accepted. Once the log is long, entries of events
    that ended more than `keep` before the newest data are removed.
    """
    pending = read_recent(output, settings)
    write = digest if settings.digest else message_per_incident

    def due(sent_log: SentLog) -> Due:
        return {
            receiver: write(
                _unsent(pending, sent_log, receiver), detector=detector, label=label, page=page
            )
            for receiver in receivers
        }

    def over(sent_log: SentLog) -> list[SentEntry]:
        if len(sent_log) < _MAX_ENTRIES or not any(due(sent_log).values()):
            return []
        known = recent_ids(output, since=max(keep, settings.max_age, key=parse_duration))
        return [each for each in sent_log if each.kind != ALERT and each.key not in known]

    return _deliver(output, due, kind=EVENT, timeout=timeout, over=over, draw=draw)


def send_alerts(
    output: Path,
    receivers: Sequence[Receiver],
    alerts: Mapping[str, str],
    *,
    detector: str,
    timeout: float = TIMEOUT,
) -> int:
    """Notify each receiver of alerts (name -> text); return the number of messages sent.

    Alerts of one kind, such as of several entities, are one message. An alert is sent once, even if
    its text changes in later runs, until a run without it: then it is over, and is sent again if it
    returns. So every run must call this, also without alerts.
    """

    def due(sent_log: SentLog) -> Due:
        def unsent(receiver: Receiver) -> dict[str, str]:
            return {
                name: text
                for name, text in alerts.items()
                if SentEntry(receiver.id, ALERT, name) not in sent_log
            }

        return {each: messages_of_alerts(unsent(each), detector=detector) for each in receivers}

    def over(sent_log: SentLog) -> list[SentEntry]:
        return [each for each in sent_log if each.kind == ALERT and each.key not in alerts]

    return _deliver(output, due, kind=ALERT, timeout=timeout, over=over)


def _unsent(
    pending: Sequence[PendingEvent], sent_log: SentLog, receiver: Receiver
) -> list[PendingEvent]:
    """Return the events not yet sent to a receiver, or sent with a lower severity."""

    def is_unsent(each: PendingEvent) -> bool:
        known = sent_log.get(SentEntry(receiver.id, EVENT, each.event_id))
        return known is None or SEVERITIES.index(each.severity) > SEVERITIES.index(known)

    return [each for each in pending if is_unsent(each)]


def _nothing(_sent_log: SentLog) -> list[SentEntry]:
    return []


def _deliver(
    output: Path,
    due: Callable[[SentLog], Due],
    *,
    kind: str,
    timeout: float,
    over: Callable[[SentLog], list[SentEntry]] = _nothing,
    draw: Draw | None = None,
) -> int:
    """Send, then log what was accepted: a run killed in between sends twice rather than never.

    One run at a time, because `due` and `over` depend on what other runs sent. Object storage has
    no locks, so concurrent runs may send twice there.
    """
    sent_log = read_sent(output)
    if not any(due(sent_log).values()) and not over(sent_log):
        return 0
    with updating(output / NOTIFIED):
        sent_log = read_sent(output)
        messages = {receiver: each for receiver, each in due(sent_log).items() if each}
        pictures = _pictures(messages, draw)
        sent = send(messages, timeout=timeout, pictures=pictures) if messages else {}
        new_entries, gone = _log_entries(sent_log, sent, kind=kind, over=over(sent_log))
        write_sent(output, new_entries, over=gone)
    return sum(len(outcome.taken) for outcome in sent.values())


def _pictures(messages: Due, draw: Draw | None) -> dict[str, Path]:
    """Draw the worst event of the most severe messages, for receivers that take pictures."""
    taken = [each for receiver, each in messages.items() if draw and takes_pictures(receiver)]
    first = [each.entries[0] for listed in taken for each in listed]
    first.sort(key=lambda entry: -SEVERITIES.index(entry[1]))
    wanted = dict.fromkeys(name for name, _ in first)
    drawn = {name: draw(name) for name in list(wanted)[:_MAX_PICTURES]} if draw else {}
    return {name: path for name, path in drawn.items() if path is not None}


def _log_entries(
    sent_log: SentLog, sent: Mapping[Receiver, Outcome], *, kind: str, over: Sequence[SentEntry]
) -> tuple[dict[SentEntry, str], list[SentEntry]]:
    """Return the entries to add to the sent log, and those to remove.

    A message that was refused for its content counts as sent, so that it is not retried. So does a
    message that was not accepted in several runs in which others were.
    """
    new_entries: dict[SentEntry, str] = {}
    gone = list(over)
    for receiver, outcome in sent.items():
        refused = list(outcome.refused)
        for message in outcome.suspected:
            entries = [SentEntry(receiver.id, REFUSED, key) for key, _ in message.entries]
            times = 1 + max(int(sent_log.get(each, "0")) for each in entries)
            if times < _MAX_REFUSALS:
                new_entries |= dict.fromkeys(entries, str(times))
            else:
                refused.append(message)
        for message in refused:
            text = f"refused, and not sent again: {message.title}"
            log_event(logger, "note", receiver=receiver.name, text=text)
        for message in (*outcome.taken, *refused):
            new_entries |= {
                SentEntry(receiver.id, kind, key): severity for key, severity in message.entries
            }
            gone += [SentEntry(receiver.id, REFUSED, key) for key, _ in message.entries]
    return new_entries, gone
