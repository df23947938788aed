"""What the template of an event shows: its sentence, facts, causes and the commands about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

from aedetect.data.schema import INCREASE
from aedetect.events.description import plain_number
from aedetect.events.labels import CONFIRMED
from aedetect.events.severity import WARNING
from aedetect.output.schemas import SEVERITIES
from aedetect.report.cards import LEAST_SHARE
from aedetect.report.wording import clip, isolated, minutes, odds, span_text
from aedetect.wording import plural

if TYPE_CHECKING:
    from aedetect.events import Event
    from aedetect.report.cards import Card, PastEvent, PastWindow

_SHORT = 160  # characters of a name
_MAX_COMMAND = 500  # characters


def card_view(
    card: Card, *, lane: int | None, config: str, units: Mapping[str, str]
) -> dict[str, Any]:
    """Return one event: its sentence and facts, causes and commands."""
    event, label = card.event, card.label
    name = clip(event.entity or "all rows", most=_SHORT)
    shown = [each for each in event.causes if each.share >= LEAST_SHARE] or event.causes[:1]
    return {
        "id": event.event_id,
        "lane": -1 if lane is None else lane,
        "entity": name,
        "severity": event.severity,
        "strength": _strength(event),
        "text": clip(isolated(event.text, [each.feature for each in event.causes])),
        "start": event.start[:16],
        "end": event.end[:16],
        "begin": minutes(event.start),
        "until": minutes(event.end),
        "peak": minutes(event.peak_timestamp),
        "duration": span_text(card.end - card.start) if card.end > card.start else "one row",
        "rows": plural(event.rows, "row"),
        "score": plain_number(event.peak_score),
        "threshold": plain_number(event.threshold),
        "odds": odds(event.p_value),
        "beside": "",  # entities of events that began together with it and have no card
        "incident": event.incident_id if event.incident_id != event.event_id else None,
        "model": f"{event.model_name}/{event.model_version}",
        "calibration": event.calibration_version,
        "causes": [cause_view(vars(each), units) for each in shown],
        "more": card.more,
        "drawn": card.scores is not None,
        "lines": [clip(each.name, most=_SHORT) for each in card.columns],
        "similar": [_past(each) for each in card.similar],
        "past": [_past_event(each) for each in card.past],
        "said": None if label is None else said_of(label.opinion, label.note),
        # A command that is cut would be another one: one with a very long name is left out.
        "commands": [each for each in _commands(card, config) if len(each["text"]) <= _MAX_COMMAND],
    }


def _strength(event: Event) -> str:
    """Return the number that the severity follows."""
    if event.strength is None:
        return ""
    by_rule = event.severity != SEVERITIES[0] and event.strength <= WARNING
    return "rule" if by_rule else plain_number(event.strength)


def said_of(opinion: str, note: str | None) -> str:
    """Return what a person said of an event."""
    word = "confirmed" if opinion == CONFIRMED else "false alarm"
    return f"{word}: {clip(note)}" if note else word


def cause_view(cause: Mapping[str, Any], units: Mapping[str, str]) -> dict[str, str]:
    """Return one cause as texts."""
    observed, expected = cause["observed"], cause["expected"]
    unit = units.get(cause["feature"].partition("=")[0].removesuffix(INCREASE), "")
    tail = f" {unit}" if unit else ""
    return {
        "feature": clip(cause["feature"], most=_SHORT),
        "share": f"{cause['share']:.0%}",
        "observed": "missing" if observed is None else plain_number(observed) + tail,
        "expected": "" if expected is None else plain_number(expected) + tail,
        "unusual": cause["unusual"] or "",
    }


def _commands(card: Card, config: str) -> Iterator[dict[str, str]]:
    """Yield what one does about an event, as commands to copy."""
    event, where = card.event, quote(config)
    named = f"aedetect label {where} {event.event_id}"
    yield {"what": "It was a fault", "text": f"{named} --confirmed"}
    yield {"what": "It was a false alarm", "text": f"{named} --false-alarm"}
    if event.causes:
        column = event.causes[0].feature.partition("=")[0]
        setting = f"events.ignore=[{_toml(column)}]"
        yield {
            "what": "Try it without its first column, in a folder of its own; [events] ignore "
            "keeps it so",
            "text": f"aedetect score {where} --since {event.start[:10]} --to without "
            f"--set {quote(setting)}",
        }
    at = quote(event.entity or "-")
    yield {
        "what": "Past windows like it",
        "text": f"aedetect similar {where} --at {at} {event.peak_timestamp}",
    }
    yield {"what": "Where it comes from", "text": f"aedetect explain {where} {event.event_id}"}


def _toml(text: str) -> str:
    """Return a text as a TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _past_event(past: PastEvent) -> dict[str, str]:
    return {
        "id": past.event_id,
        "entity": clip(past.entity or "all rows", most=_SHORT),
        "start": minutes(past.start),
        "likeness": f"{past.likeness:.0%}",
        "said": "" if past.said is None else said_of(past.said.opinion, past.said.note),
    }


def _past(window: PastWindow) -> dict[str, Any]:
    return {
        key: clip(minutes(each)) if isinstance(each, str) else each
        for key, each in vars(window).items()
    }
