"""Send messages to receivers by Apprise, each in a thread with a timeout.

Importing Apprise takes 0.12 s and loading its services 0.16 s, so it is imported only to send.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aedetect.delivery.fields import RESOLVED, add_fields, given_extras
from aedetect.delivery.messages import Message
from aedetect.delivery.sent_log import receiver_id
from aedetect.errors import ConfigError
from aedetect.logs import log_event
from aedetect.secrets import HIDDEN, is_reference, literal_secret_message

logger = logging.getLogger(__name__)

TIMEOUT = 30.0  # seconds for all messages of a run to one receiver
_MAX_FAILED = 3  # failed messages in a row, after which the last one is tried
# HTTP status codes, as Apprise logs them, that concern the message and not the receiver.
_REFUSAL = re.compile(r"error=(400|413|414|415|422)\b")
_MIN_HIDDEN = 3  # characters; shorter parts of a URL are not hidden


@dataclass(frozen=True)
class Receiver:
    """One URL of Apprise, with a name for logs: its position in the list and its scheme."""

    name: str
    url: str
    id: str


def receivers(written: Sequence[str], urls: Sequence[str]) -> list[Receiver]:
    """Check the URLs, as written in the configuration and as resolved.

    Raises ConfigError if Apprise does not support one, and if one in the configuration itself
    contains what Apprise considers a secret.
    """
    pairs = enumerate(zip(written, urls, strict=True))
    return [_receiver(f"[notify] urls[{index}]", given, url) for index, (given, url) in pairs]


def check_written(written: Sequence[str]) -> None:
    """Check the literal URLs in the configuration, not the references, as in `receivers`."""
    for index, given in enumerate(written):
        if not is_reference(given):
            _receiver(f"[notify] urls[{index}]", given, given)


def _receiver(where: str, given: str, url: str) -> Receiver:
    with _capturing_log(), warnings.catch_warnings():
        # The first call loads all services of Apprise, whose dependencies may be outdated.
        warnings.simplefilter("ignore", DeprecationWarning)
        service = _service(url)
    if service is None:
        raise ConfigError(
            f"{where} must be a URL of Apprise, got something else: see "
            "https://appriseit.com/services for how yours is written"
        )
    private = service.url(privacy=True)
    if given == url and private != service.url(privacy=False):
        raise ConfigError(literal_secret_message(where, private.partition("?")[0]))
    return Receiver(f"{where} ({url.partition(':')[0]})", url, receiver_id(url))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result for the messages to one receiver; messages in none of these are retried."""

    taken: tuple[Message, ...] = ()
    refused: tuple[Message, ...] = ()  # for their content: a retry is useless
    suspected: tuple[Message, ...] = ()  # not accepted, but a later one was


def takes_pictures(receiver: Receiver) -> bool:
    """Whether a receiver takes attachments."""
    return bool(getattr(_service(receiver.url), "attachment_support", False))


def send(
    receiver_messages: Mapping[Receiver, Sequence[Message]],
    *,
    timeout: float = TIMEOUT,
    pictures: Mapping[str, Path] | None = None,
) -> dict[Receiver, Outcome]:
    """Send messages to all receivers in parallel; return what each accepted and refused.

    `pictures`, by the key of the first entry of a message, go to the receivers that take them.

    A refused message does not prevent the others. A receiver that fails or hangs gets no more
    messages in this run, and a warning in the log; it neither raises nor delays the others.
    """
    with _capturing_log() as captured:
        threads = [
            _SenderThread(receiver, messages, captured, pictures or {})
            for receiver, messages in receiver_messages.items()
        ]
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.start()
        outcomes = {}
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            thread.is_late = True
            outcomes[thread.receiver] = outcome = thread.outcome
            if missed := len(thread.messages) - len(outcome.taken):
                hangs = f"no answer within {timeout:g} s" if thread.is_alive() else None
                reason = hangs or thread.reason or "it refused"
                log_event(
                    logger, "note", receiver=thread.receiver.name, missed=missed, reason=reason
                )
    return outcomes


class _SenderThread(threading.Thread):
    """Sends messages to one receiver, one after the other.

    If several in a row fail, the last message is tried: if the receiver accepts it, it is up, and
    those before were refused for their content. Otherwise it is down.
    """

    def __init__(
        self,
        receiver: Receiver,
        messages: Sequence[Message],
        captured: _CapturedLog,
        pictures: Mapping[str, Path],
    ) -> None:
        super().__init__(daemon=True, name=f"aedetect-notify-{receiver.id}")
        self.receiver, self.messages = receiver, messages
        self.reason: str | None = None  # why the first was not accepted
        self.is_late = False
        self._captured, self._pictures = captured, pictures
        self._taken: list[Message] = []
        self._refused: list[Message] = []
        self._suspected: list[Message] = []

    @property
    def outcome(self) -> Outcome:
        """The results so far."""
        return Outcome(
            taken=tuple(self._taken),
            refused=tuple(self._refused),
            suspected=tuple(self._suspected),
        )

    def run(self) -> None:
        """Send the messages."""
        service = _service(self.receiver.url)
        extras = given_extras(service)
        waiting, failed = list(self.messages), list[Message]()
        while waiting and len(failed) <= _MAX_FAILED and service is not None and not self.is_late:
            message = waiting.pop(-1 if len(failed) == _MAX_FAILED else 0)
            add_fields(service, message, url=self.receiver.url, extras=extras)
            if self._is_taken(service, message):
                self._taken.append(message)
                self._suspected += failed
                failed = []
                continue
            reason = self._captured.take(self)
            self.reason = self.reason or reason
            if _REFUSAL.search(reason):
                self._refused.append(message)
            else:
                failed.append(message)

    def _is_taken(self, service: Any, message: Message) -> bool:
        """Send a message with its picture; without it when it is not taken so."""
        picture = self._pictures.get(message.entries[0][0])
        if picture is not None and service.attachment_support:
            if _is_taken(service, message, picture):
                return True
            self._captured.take(self)
        return _is_taken(service, message)


def _is_taken(service: Any, message: Message, picture: Path | None = None) -> bool:
    from apprise import AppriseAttachment, NotifyFormat, NotifyType

    kinds = {"info": NotifyType.INFO, "warning": NotifyType.WARNING}
    kind = kinds.get(message.severity, NotifyType.FAILURE)
    try:
        return bool(
            service.notify(
                body=message.body,
                title=message.title,
                notify_type=NotifyType.SUCCESS if message.status == RESOLVED else kind,
                body_format=NotifyFormat.TEXT,
                attach=None if picture is None else AppriseAttachment(str(picture)),
            )
        )
    except Exception as error:  # a faulty service must not stop the others
        logging.getLogger("apprise").warning("%s", type(error).__name__)
        return False


def _service(url: str) -> Any:
    """Return the Apprise service of a URL; None if Apprise does not support it."""
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(app_id="aedetect", app_desc="aedetect", async_mode=False)
    return Apprise.instantiate(url, asset=asset)


class _CapturedLog(logging.Handler):
    """The log of Apprise, by thread. It contains hosts and tokens, so it is kept off other logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._first_messages: dict[int | None, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Store the first message of each thread."""
        self._first_messages.setdefault(record.thread, record.getMessage())

    def take(self, thread: _SenderThread) -> str:
        """Return once why a message was not accepted, with no part of the URL but its scheme."""
        _, _, rest = thread.receiver.url.partition("://")
        text = self._first_messages.pop(thread.ident, "")
        for part in sorted(re.split(r"[/:@?&=#,\s]+", rest), key=len, reverse=True):
            if len(part) >= _MIN_HIDDEN:
                text = text.replace(part, HIDDEN)
        return text


@contextmanager
def _capturing_log() -> Iterator[_CapturedLog]:
    """Capture the log of Apprise instead of propagating it."""
    log, captured = logging.getLogger("apprise"), _CapturedLog()
    before = log.propagate
    log.propagate = False
    log.addHandler(captured)
    try:
        yield captured
    finally:
        log.removeHandler(captured)
        log.propagate = before
