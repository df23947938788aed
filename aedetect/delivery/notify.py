"""Tell people of events and alerts: once unless killed, again when one became more severe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aedetect.delivery.messages import (
    Message,
    PendingEvents,
    digest,
    one_by_one,
    recent,
    recent_ids,
)
from aedetect.delivery.senders import PATIENCE, Outcome, Receiver, send
from aedetect.delivery.sent_log import NOTIFIED, SentEntry, SentLog, read_sent, write_sent
from aedetect.delivery.settings import NotifySettings
from aedetect.logs import log_event
from aedetect.output.atomic import updating
from aedetect.output.schemas import SEVERITIES
from aedetect.timestamps import parse_duration

EVENT, ALERT = "event", "alert"
REFUSED = "refused"  # in how many runs a message was not taken, though others were
_LONG = 1_000  # entries of the log, beyond which old ones are forgotten
_REFUSALS = 3  # runs, after which it is not tried again
logger = logging.getLogger(__name__)

Due = Mapping[Receiver, Sequence[Message]]


def send_events(
    output: Path,
    receivers: Sequence[Receiver],
    settings: NotifySettings,
    *,
    detector: str,
    label: str,
    keep: str = "90d",
    patience: float = PATIENCE,
) -> int:
    """Tell each receiver of the recent events that it has not heard of; return the messages sent.

    What a receiver did not take is tried again by the next run. What was sent of events that ended
    longer before the newest data than it is kept is forgotten, once the log is long.
    """
    news = recent(output, settings)
    write = digest if settings.digest else one_by_one

    def due(told: SentLog) -> Due:
        return {
            receiver: write(_unheard(news, told, receiver), detector=detector, label=label)
            for receiver in receivers
        }

    def over(told: SentLog) -> list[SentEntry]:
        if len(told) < _LONG or not any(due(told).values()):
            return []
        known = recent_ids(output, since=max(keep, settings.max_age, key=parse_duration))
        return [each for each in told if each.kind != ALERT and each.key not in known]

    return _deliver(output, due, kind=EVENT, patience=patience, over=over)


def send_alerts(
    output: Path,
    receivers: Sequence[Receiver],
    alerts: Mapping[str, str],
    *,
    detector: str,
    patience: float = PATIENCE,
) -> int:
    """Tell each receiver of alerts, given as name -> text; return the messages sent.

    An alert is told once, whatever its text says in later runs, until a run comes without it: then
    it is over, and told again should it return. So every run has to call this, also without any.
    """

    def due(told: SentLog) -> Due:
        return {
            receiver: [
                Message(
                    title=f"{detector}: {name}", body=text, severity="critical", tells=((name, ""),)
                )
                for name, text in alerts.items()
                if SentEntry(receiver.id, ALERT, name) not in told
            ]
            for receiver in receivers
        }

    def over(told: SentLog) -> list[SentEntry]:
        return [each for each in told if each.kind == ALERT and each.key not in alerts]

    return _deliver(output, due, kind=ALERT, patience=patience, over=over)


def _unheard(
    news: Sequence[PendingEvents], told: SentLog, receiver: Receiver
) -> list[PendingEvents]:
    """Return the events that a receiver was not told of, or of a lower severity."""

    def is_unheard(each: PendingEvents) -> bool:
        known = told.get(SentEntry(receiver.id, EVENT, each.event_id))
        return known is None or SEVERITIES.index(each.severity) > SEVERITIES.index(known)

    return [each for each in news if is_unheard(each)]


def _nothing(_told: SentLog) -> list[SentEntry]:
    return []


def _deliver(
    output: Path,
    due: Callable[[SentLog], Due],
    *,
    kind: str,
    patience: float,
    over: Callable[[SentLog], list[SentEntry]] = _nothing,
) -> int:
    """Send, then note what was taken: killed in between, a run tells it twice rather than never.

    One run at a time: what is `due`, and what is `over`, follows from what the others told. Object
    storage has no locks, so that runs at once may tell it twice there.
    """
    told = read_sent(output)
    if not any(due(told).values()) and not over(told):
        return 0
    with updating(output / NOTIFIED):
        told = read_sent(output)
        messages = {receiver: each for receiver, each in due(told).items() if each}
        sent = send(messages, patience=patience) if messages else {}
        news, gone = _noted(told, sent, kind=kind, over=over(told))
        write_sent(output, news, over=gone)
    return sum(len(outcome.taken) for outcome in sent.values())


def _noted(
    told: SentLog, sent: Mapping[Receiver, Outcome], *, kind: str, over: Sequence[SentEntry]
) -> tuple[dict[SentEntry, str], list[SentEntry]]:
    """Return what to add to the log of what was sent, and what to drop from it.

    A message that was refused for what it is counts as told, so that it is not tried again. So does
    one that was not taken in several runs in which others were.
    """
    news: dict[SentEntry, str] = {}
    gone = list(over)
    for receiver, outcome in sent.items():
        refused = list(outcome.refused)
        for message in outcome.suspected:
            entries = [SentEntry(receiver.id, REFUSED, key) for key, _ in message.tells]
            times = 1 + max(int(told.get(each, "0")) for each in entries)
            if times < _REFUSALS:
                news |= dict.fromkeys(entries, str(times))
            else:
                refused.append(message)
        for message in refused:
            text = f"refused, and not sent again: {message.title}"
            log_event(logger, "note", receiver=receiver.name, text=text)
        for message in (*outcome.taken, *refused):
            news |= {SentEntry(receiver.id, kind, key): severity for key, severity in message.tells}
            gone += [SentEntry(receiver.id, REFUSED, key) for key, _ in message.tells]
    return news, gone
