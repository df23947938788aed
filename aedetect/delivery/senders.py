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


def send(
    receiver_messages: Mapping[Receiver, Sequence[Message]], *, patience: float = PATIENCE
) -> dict[Receiver, list[Message]]:
    """Send messages to all receivers at once; return those that each of them took.

    A receiver that fails or hangs gets nothing more in this run, and a warning in the log; it
    neither raises nor keeps the others waiting.
    """
    with _listening() as heard:
        couriers = [
            _Courier(receiver, messages) for receiver, messages in receiver_messages.items()
        ]
        deadline = time.monotonic() + patience
        for courier in couriers:
            courier.start()
        for courier in couriers:
            courier.join(max(0.0, deadline - time.monotonic()))
            courier.is_late = True
            taken = list(courier.taken)
            if missed := len(courier.messages) - len(taken):
                hangs = f"no answer within {patience:g} s" if courier.is_alive() else None
                reason = hangs or heard.of(courier) or "it refused"
                log_event(
                    logger, "note", receiver=courier.receiver.name, missed=missed, reason=reason
                )
            courier.confirmed = taken
    return {courier.receiver: courier.confirmed for courier in couriers}


class _Courier(threading.Thread):
    """Brings messages to one receiver, one after the other, until one is not taken."""

    def __init__(self, receiver: Receiver, messages: Sequence[Message]) -> None:
        super().__init__(daemon=True, name=f"aedetect-notify-{receiver.id}")
        self.receiver, self.messages = receiver, messages
        self.taken: list[Message] = []
        self.confirmed: list[Message] = []
        self.is_late = False

    def run(self) -> None:
        """Bring them."""
        from apprise import NotifyFormat, NotifyType

        kinds = {"info": NotifyType.INFO, "warning": NotifyType.WARNING}
        service = _service(self.receiver.url)
        for message in self.messages:
            if self.is_late or service is None:
                return
            kind = kinds.get(message.severity, NotifyType.FAILURE)
            try:
                is_taken = service.notify(
                    body=message.body,
                    title=message.title,
                    notify_type=kind,
                    body_format=NotifyFormat.TEXT,
                )
            except Exception as error:  # whatever a service does wrong, the others go on
                logging.getLogger("apprise").warning("%s", type(error).__name__)
                return
            if not is_taken:
                return
            self.taken.append(message)


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

    def of(self, courier: _Courier) -> str:
        """Return why a courier came back, with nothing of the URL but its scheme."""
        _, _, rest = courier.receiver.url.partition("://")
        text = self._said.get(courier.ident, "")
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
