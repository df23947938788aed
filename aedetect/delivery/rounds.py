"""One round of sending: what is due to whom, and what is logged of it; one run at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aedetect.delivery.fields import FIRING, RESOLVED
from aedetect.delivery.messages import Message
from aedetect.delivery.senders import Outcome, Receiver, send, takes_pictures
from aedetect.delivery.sent_log import (
    ALERT,
    BEGINNING,
    ENDING,
    NOTIFIED,
    REFUSED,
    SentEntry,
    SentLog,
    read_sent,
    write_sent,
)
from aedetect.logs import log_event
from aedetect.output.atomic import updating
from aedetect.output.schemas import SEVERITIES

_MAX_REFUSALS = 3  # runs, after which it is not retried
_MAX_PICTURES = 5  # drawn per run: each takes about a second
logger = logging.getLogger(__name__)

Due = Mapping[Receiver, Sequence[Message]]
Draw = Callable[[str], Path | None]


def _nothing(_sent_log: SentLog) -> list[SentEntry]:
    return []


def deliver(
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
        if begun := _marks(messages):
            write_sent(output, begun)
        sent = send(messages, timeout=timeout, pictures=pictures) if messages else {}
        new_entries, gone = _log_entries(sent_log, sent, kind=kind, over=over(sent_log))
        gone += [each for each in _unmarked(messages, sent) if each not in sent_log]
        write_sent(output, new_entries, over=gone)
    return sum(len(outcome.taken) for outcome in sent.values())


def _marks(messages: Due) -> dict[SentEntry, str]:
    """Return what is noted of alerts before they are sent.

    A run that is killed in between may have told of a begin, which needs an end, or of an end, so
    that what comes back has to be told again.
    """
    return {
        SentEntry(receiver.id, ALERT, key): ENDING if each.status == RESOLVED else BEGINNING
        for receiver, listed in messages.items()
        for each in listed
        if each.status
        for key, _ in each.entries
    }


def _unmarked(messages: Due, sent: Mapping[Receiver, Outcome]) -> list[SentEntry]:
    """Return the alerts whose begin was not accepted."""
    return [
        SentEntry(receiver.id, ALERT, key)
        for receiver, outcome in sent.items()
        for each in messages[receiver]
        if each.status == FIRING and each not in (*outcome.taken, *outcome.refused)
        for key, _ in each.entries
    ]


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
            gone += [SentEntry(receiver.id, REFUSED, key) for key, _ in message.entries]
            for key, severity in message.entries:
                entry = SentEntry(receiver.id, kind, key)
                if message.status == RESOLVED:
                    gone.append(entry)
                else:
                    unheard = message.status and message not in outcome.taken
                    new_entries[entry] = REFUSED if unheard else severity
    return new_entries, gone
