"""What a message is about, for programs: fields of webhooks, and the keys of incidents.

`ids` of an alert that has begun and of its end are equal, so that receivers can close what they
opened; they are when it returns, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aedetect.delivery.messages import Message

FIRING, RESOLVED = "firing", "resolved"  # as other senders of alerts have it
_JSON, _TEXT = ("json", "jsons"), ("form", "forms", "xml", "xmls")
_WITH_KEYS = ("pagertree", "splunk", "victorops")  # an incident each, which they close by its key
_WITHOUT_ENDS = ("pagerduty", "signl4", "spike")  # Apprise can but open incidents there


def alert_id(detector: str, name: str) -> str:
    """Return what identifies an alert of a detector."""
    return hashlib.blake2b(f"{detector}\0{name}".encode(), digest_size=8).hexdigest()


def scheme(url: str) -> str:
    """Return the kind of a receiver."""
    return url.partition(":")[0].lower()


def has_keys(url: str) -> bool:
    """Whether a receiver keeps an incident for each alert: each is a message of its own."""
    return scheme(url) in _WITH_KEYS


def takes_ends(url: str) -> bool:
    """Whether the end of an alert would not be a new incident for a receiver."""
    return scheme(url) not in _WITHOUT_ENDS


def given_extras(service: Any) -> dict[str, str]:
    """Return the fields that a URL adds to what is sent, or renames in it."""
    return dict(getattr(service, "payload_extras", None) or {})


def add_fields(service: Any, message: Message, *, url: str, extras: Mapping[str, str]) -> None:
    """Set what a service of Apprise sends of a message beside its text.

    `extras` are those of the URL: `:ids=keys` renames a field, `:ids=` leaves it out.
    """
    kind = scheme(url)
    if kind in (*_JSON, *_TEXT):
        own = dict(extras)
        found = _fields(message, text=kind in _TEXT)
        named = {own.pop(name, name): value for name, value in found.items()}
        named.pop("", None)
        service.payload_extras = own | named
    elif kind in _WITH_KEYS and message.status:
        (key,) = _ids(message)
        if kind == "pagertree":
            service.thirdparty = key
            service.action = "resolve" if message.status == RESOLVED else "create"
        else:
            service.entity_id = f"aedetect/{key}"


def _ids(message: Message) -> list[str]:
    """Return the ids of events, or of alerts."""
    if not message.status:
        return [key for key, _ in message.entries]
    return [alert_id(message.detector, name) for name, _ in message.entries]


def _fields(message: Message, *, text: bool) -> dict[str, Any]:
    """Return the fields of a message; `text`: of a receiver that takes texts alone."""
    ids = _ids(message)
    fields: dict[str, Any] = {
        "detector": message.detector,
        "kind": "alert" if message.status else "event",
        **({"status": message.status} if message.status else {}),
        "ids": ",".join(ids) if text else ids,
    }
    if message.status and not text:
        names = [name for name, _ in message.entries]
        fields["alerts"] = [
            {"id": key, "name": name, "text": told}
            for key, name, told in zip(ids, names, message.texts, strict=True)
        ]
    return fields
