"""Messages on their way to receivers, by Apprise: each in a thread that nobody waits for too long.

Apprise takes 0.12 s to import and 0.16 s to load its services, so only who sends imports it.
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
from typing import Any

from aedetect.delivery.messages import Message
from aedetect.delivery.sent_log import receiver_id
from aedetect.errors import ConfigError
from aedetect.logs import log_event
from aedetect.secrets import HIDDEN, is_reference, literal_secret_message

logger = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds in which a receiver takes all messages of a run, or some
_IN_A_ROW = 3  # messages not taken, after which the last one is tried
# How Apprise writes the answers of HTTP that speak of the message and not of the receiver.
_REFUSAL = re.compile(r"error=(400|413|414|415|422)\b")
_SHORTEST = 3  # characters of a URL's parts that are hidden


@dataclass(frozen=True)
class Receiver:
    """One URL of Apprise, and how it is spoken of: by its place in the list and its scheme."""

    name: str
    url: str
    id: str


def receivers(written: Sequence[str], urls: Sequence[str]) -> list[Receiver]:
    """Check the URLs, as written in the configuration and as resolved.

    Raises ConfigError when one is none of Apprise's, and when one that stands in the configuration
    itself holds what Apprise takes for a secret.
    """
    pairs = enumerate(zip(written, urls, strict=True))
    return [_receiver(f"[notify] urls[{index}]", given, url) for index, (given, url) in pairs]


def check_written(written: Sequence[str]) -> None:
    """Check the URLs that stand in the configuration, not those that it refers to, as above."""
    for index, given in enumerate(written):
        if not is_reference(given):
            _receiver(f"[notify] urls[{index}]", given, given)


def _receiver(where: str, given: str, url: str) -> Receiver:
    with _listening(), warnings.catch_warnings():
        # The first call loads all services of Apprise, and what they import may be outdated.
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
    """What became of the messages to one receiver; what is in none of them is tried again."""

    taken: tuple[Message, ...] = ()
    refused: tuple[Message, ...] = ()  # for what they are: it would be of no use to try again
    suspected: tuple[Message, ...] = ()  # not taken, but a later one was


def send(
    receiver_messages: Mapping[Receiver, Sequence[Message]], *, patience: float = PATIENCE
) -> dict[Receiver, Outcome]:
    """Send messages to all receivers at once; return what each of them took and refused.

    One that is not taken keeps no other from being sent. A receiver that fails or hangs gets
    nothing more in this run, and a warning in the log; it neither raises nor keeps the others
    waiting.
    """
    with _listening() as heard:
        couriers = [
            _Courier(receiver, messages, heard) for receiver, messages in receiver_messages.items()
        ]
        deadline = time.monotonic() + patience
        for courier in couriers:
            courier.start()
        outcomes = {}
        for courier in couriers:
            courier.join(max(0.0, deadline - time.monotonic()))
            courier.is_late = True
            outcomes[courier.receiver] = outcome = courier.outcome
            if missed := len(courier.messages) - len(outcome.taken):
                hangs = f"no answer within {patience:g} s" if courier.is_alive() else None
                reason = hangs or courier.reason or "it refused"
                log_event(
                    logger, "note", receiver=courier.receiver.name, missed=missed, reason=reason
                )
    return outcomes


class _Courier(threading.Thread):
    """Brings messages to one receiver, one after the other.

    When several in a row are not taken, the last message is tried: a receiver that takes it is up,
    and those before were refused for what they are. When it takes none, it is down.
    """

    def __init__(self, receiver: Receiver, messages: Sequence[Message], heard: _Heard) -> None:
        super().__init__(daemon=True, name=f"aedetect-notify-{receiver.id}")
        self.receiver, self.messages = receiver, messages
        self.reason: str | None = None  # why the first was not taken
        self.is_late = False
        self._heard = heard
        self._taken: list[Message] = []
        self._refused: list[Message] = []
        self._suspected: list[Message] = []

    @property
    def outcome(self) -> Outcome:
        """What became of them by now."""
        return Outcome(
            taken=tuple(self._taken),
            refused=tuple(self._refused),
            suspected=tuple(self._suspected),
        )

    def run(self) -> None:
        """Bring them."""
        service = _service(self.receiver.url)
        waiting, failed = list(self.messages), list[Message]()
        while waiting and len(failed) <= _IN_A_ROW and service is not None and not self.is_late:
            message = waiting.pop(-1 if len(failed) == _IN_A_ROW else 0)
            if _is_taken(service, message):
                self._taken.append(message)
                self._suspected += failed
                failed = []
                continue
            reason = self._heard.take(self)
            self.reason = self.reason or reason
            if _REFUSAL.search(reason):
                self._refused.append(message)
            else:
                failed.append(message)


def _is_taken(service: Any, message: Message) -> bool:
    from apprise import NotifyFormat, NotifyType

    kinds = {"info": NotifyType.INFO, "warning": NotifyType.WARNING}
    try:
        return bool(
            service.notify(
                body=message.body,
                title=message.title,
                notify_type=kinds.get(message.severity, NotifyType.FAILURE),
                body_format=NotifyFormat.TEXT,
            )
        )
    except Exception as error:  # whatever a service does wrong, the others go on
        logging.getLogger("apprise").warning("%s", type(error).__name__)
        return False


def _service(url: str) -> Any:
    """Return what speaks to a URL; None when Apprise does not know it."""
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(app_id="aedetect", app_desc="aedetect", async_mode=False)
    return Apprise.instantiate(url, asset=asset)


class _Heard(logging.Handler):
    """What Apprise logs, by thread. It speaks of hosts and tokens, so it is kept off other logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: dict[int | None, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first that a thread said."""
        self._said.setdefault(record.thread, record.getMessage())

    def take(self, courier: _Courier) -> str:
        """Return why a message was not taken, once, with nothing of the URL but its scheme."""
        _, _, rest = courier.receiver.url.partition("://")
        text = self._said.pop(courier.ident, "")
        for part in sorted(re.split(r"[/:@?&=#,\s]+", rest), key=len, reverse=True):
            if len(part) >= _SHORTEST:
                text = text.replace(part, HIDDEN)
        return text


@contextmanager
def _listening() -> Iterator[_Heard]:
    """Hear what Apprise logs instead of letting it through."""
    log, heard = logging.getLogger("apprise"), _Heard()
    before = log.propagate
    log.propagate = False
    log.addHandler(heard)
    try:
        yield heard
    finally:
        log.removeHandler(heard)
        log.propagate = before
