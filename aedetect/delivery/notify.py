"""Notify receivers of events: once unless killed, again if more severe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aedetect.delivery.messages import (
    PendingEvent,
    digest,
    message_per_incident,
    read_recent,
    recent_ids,
)
from aedetect.delivery.rounds import Draw, Due, deliver
from aedetect.delivery.senders import TIMEOUT, Receiver
from aedetect.delivery.sent_log import ALERT, EVENT, SentEntry, SentLog
from aedetect.delivery.settings import NotifySettings
from aedetect.output.schemas import SEVERITIES
from aedetect.timestamps import parse_duration

_MAX_ENTRIES = 1_000  # of the log, beyond which old ones are removed


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

    return deliver(output, due, kind=EVENT, timeout=timeout, over=over, draw=draw)


def _unsent(
    pending: Sequence[PendingEvent], sent_log: SentLog, receiver: Receiver
) -> list[PendingEvent]:
    """Return the events not yet sent to a receiver, or sent with a lower severity."""

    def is_unsent(each: PendingEvent) -> bool:
        known = sent_log.get(SentEntry(receiver.id, EVENT, each.event_id))
        return known is None or SEVERITIES.index(each.severity) > SEVERITIES.index(known)

    return [each for each in pending if is_unsent(each)]
