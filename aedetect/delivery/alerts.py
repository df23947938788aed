"""Notify receivers of alerts of runs: once when they begin, and once when they are over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aedetect.delivery.alert_messages import messages_of_alerts
from aedetect.delivery.fields import has_keys, takes_ends
from aedetect.delivery.messages import Message
from aedetect.delivery.rounds import Due, deliver
from aedetect.delivery.senders import TIMEOUT, Receiver
from aedetect.delivery.sent_log import ALERT, BEGINNING, ENDING, REFUSED, SentEntry, SentLog

Ended = Callable[[str], str | None]


def ended_unexplained(_name: str) -> str:
    """Say of any alert that it is over."""
    return "the last run came without it"


def send_alerts(
    output: Path,
    receivers: Sequence[Receiver],
    alerts: Mapping[str, str],
    *,
    detector: str,
    ended: Ended = ended_unexplained,
    timeout: float = TIMEOUT,
) -> int:
    """Notify each receiver of alerts (name -> text); return the number of messages sent.

    Alerts of one kind, such as of several entities, are one message. An alert is sent once, even if
    its text changes in later runs, until a run without it: then those who were told of it are told
    that it is over, and of it again if it returns. `ended` says of a name why, or returns None
    while that is not known: such an alert neither ends nor begins anew. So every run must call
    this, also without alerts.
    """

    def due(sent_log: SentLog) -> Due:
        return {each: _messages(each, sent_log) for each in receivers}

    def _messages(receiver: Receiver, sent_log: SentLog) -> list[Message]:
        told = _told(sent_log, receiver)
        begun = {
            name: text
            for name, text in alerts.items()
            if told.get(name, BEGINNING) in (BEGINNING, ENDING)
        }
        gone = {name: ended(name) for name in told if name not in alerts}
        over = {
            name: text
            for name, text in gone.items()
            if text is not None and told[name] != REFUSED and takes_ends(receiver.url)
        }
        apart = has_keys(receiver.url)
        return [
            *messages_of_alerts(begun, detector=detector, apart=apart),
            *messages_of_alerts(over, detector=detector, apart=apart, over=True),
        ]

    def over(sent_log: SentLog) -> list[SentEntry]:
        """Return entries that end without a message."""
        reached = {each.id for each in receivers if takes_ends(each.url)}
        return [
            each
            for each, state in sent_log.items()
            if each.kind == ALERT
            and each.key not in alerts
            and (each.receiver not in reached or state == REFUSED)
            and ended(each.key) is not None
        ]

    return deliver(output, due, kind=ALERT, timeout=timeout, over=over)


def _told(sent_log: SentLog, receiver: Receiver) -> dict[str, str]:
    """Return the alerts that a receiver was told of, and how far that went."""
    return {
        each.key: state
        for each, state in sent_log.items()
        if each.kind == ALERT and each.receiver == receiver.id
    }
