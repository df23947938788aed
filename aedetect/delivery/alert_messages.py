"""Messages about alerts of runs that have begun or are over: those of one kind together."""

from __future__ import annotations

from collections.abc import Mapping

from aedetect.delivery.fields import FIRING, RESOLVED
from aedetect.delivery.messages import MAX_LISTED, Message, one_line


def messages_of_alerts(
    alerts: Mapping[str, str], *, detector: str, over: bool = False, apart: bool = False
) -> list[Message]:
    """Return a message for each kind of alert: name, or "kind: where" -> text.

    `over`: they have ended; `apart`: a message for each alert instead.
    """
    kinds: dict[str, dict[str, str]] = {}
    for name, text in alerts.items():
        kinds.setdefault(name if apart else name.partition(": ")[0], {})[name] = text
    return [_about_alerts(kind, named, detector, over=over) for kind, named in kinds.items()]


def _about_alerts(kind: str, named: Mapping[str, str], detector: str, *, over: bool) -> Message:
    """Return one message about alerts of one kind."""
    if len(named) == 1:
        ((title, body),) = named.items()
    else:
        own = sum(name != kind for name in named)
        title = kind if own < len(named) else f"{kind}: {own} entities"  # one is of all together
        listed = [_with_name(name.partition(": ")[2], text) for name, text in named.items()]
        more = len(listed) - MAX_LISTED
        body = "\n\n".join(listed[:MAX_LISTED] + [f"and {more} more"] * (more > 0))
    return Message(
        title=one_line(f"{detector}: {'over: ' if over else ''}{title}"),
        body=body,
        severity="info" if over else "critical",
        entries=tuple((name, "") for name in named),
        detector=detector,
        status=RESOLVED if over else FIRING,
        texts=tuple(named.values()),
    )


def _with_name(name: str, text: str) -> str:
    return text if not name or text.startswith(f"{name}: ") else f"{name}: {text}"
