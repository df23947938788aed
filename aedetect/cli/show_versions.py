"""Output about registered versions and the history of promotions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from aedetect.cli.show import console, table_of
from aedetect.registry.records import CHANGED_AT
from aedetect.wording import percent

if TYPE_CHECKING:
    from aedetect.jobs.promises import ScoredTime
    from aedetect.registry import Registered
    from aedetect.registry.history import Promotion


def print_models(name: str, versions: Sequence[Registered]) -> None:
    """Show registered versions, and what one promotes them by."""
    if not versions:
        console().print(f"no version of {name} yet: aedetect train CONFIG")
        return
    out = console()
    table = table_of("version", "aliases", "created", *_FACTS)
    for each in versions:
        table.add_row(
            each.reference,
            ", ".join(each.aliases),
            each.created.isoformat(" ", timespec="minutes"),
            *(shown(each.tags) for shown in _FACTS.values()),
        )
    out.print(table)
    for each in versions:
        for text in _evidence(each):
            out.print(f"{each.reference}  {text}", soft_wrap=True)


def facts_of(version: Registered) -> dict[str, float | str | None]:
    """Return what one promotes by as numbers and texts, for JSON; None where not on record."""
    tags = version.tags
    texts = ("promise_reason", "trained_from", "trained_until", "held_out_from", "held_out_until")
    return {
        **{tag: _known(tags, tag) for tag in _NUMBERS},
        **{tag: tags.get(tag) for tag in texts},
    }


def _known(tags: Mapping[str, str], tag: str) -> float | None:
    """Return a number on record; None without it, and for a promise that was refused."""
    text = tags.get(tag, "none")
    return None if text == "none" else float(text)


def _shown(tag: str, form: str) -> Callable[[Mapping[str, str]], str]:
    """Return how a number on record is shown."""

    def show(tags: Mapping[str, str]) -> str:
        value = _known(tags, tag)
        return "" if value is None else format(value, form)

    return show


def _promise_of(tags: Mapping[str, str]) -> str:
    share = _known(tags, "promise")
    return "" if share is None else _promise(share, _known(tags, "promise_upper"))


def _promise(share: float, upper: float | None) -> str:
    """Show a promise: as it was chosen, widened or refused."""
    if upper is None:
        return f"none ({percent(share)} aimed at)"
    return percent(share) if upper == share else f"{percent(upper)} ({percent(share)} aimed at)"


_NUMBERS = ("threshold", "promise", "promise_upper", "events_a_day", "held_out_loss")
_FACTS = {
    "threshold": _shown("threshold", ".4g"),
    "promise": _promise_of,
    "events a day": _shown("events_a_day", ".2g"),
    "held-out loss": _shown("held_out_loss", ".4g"),
}


def _evidence(version: Registered) -> Iterator[str]:
    """Yield where a version comes from, and the result of the gate."""
    tags = version.tags
    if "trained_from" in tags:
        data = tags.get("data_fingerprint", "")[:12]
        yield (
            f"{tags.get('variant', '')} trained on {tags['trained_from']} to "
            f"{tags['trained_until']}, held out {tags['held_out_from']} to "
            f"{tags['held_out_until']}; data {data}, configuration "
            f"{tags.get('config_hash', '')[:12]}, calibration {version.calibration}"
        )
    if tags.get("promise_reason"):
        yield f"young: {tags['promise_reason']}"
    if CHANGED_AT in tags:
        yield (
            f"normal has changed on {tags[CHANGED_AT]}: [training] on_drift trains again once "
            "there is enough of what came after"
        )
    if "gate" in tags:
        yield tags["gate"]


def print_scored(name: str, found: Sequence[ScoredTime]) -> None:
    """Show which version scored what, under which promise."""
    if not found:
        console().print(f"{name} has scored nothing yet: aedetect score CONFIG")
        return
    table = table_of("from", "to", "version", "calibration", "rows", "flagged", "share", "promise")
    for each in found:
        table.add_row(
            each.since,
            each.until,
            f"{each.model_name}/{each.model_version}",
            str(each.calibration_version),
            f"{each.rows:,}",
            f"{each.flagged:,}",
            "" if each.share is None else percent(each.share),
            "?" if each.promise is None else _promise(each.promise, each.upper),
        )
    console().print(table)


def print_history(name: str, entries: Sequence[Promotion], versions: Sequence[Registered]) -> None:
    """Show the promotions, the oldest first, and a champion that was chosen otherwise."""
    out = console()
    champions = [each.version for each in versions if "champion" in each.aliases]
    if not entries:
        out.print(f"no promotion of {name} is on record")
    for each in entries:
        before = "" if each.before is None else f" after {name}/{each.before}"
        out.print(
            f"{each.at.isoformat(' ', timespec='seconds')}  {each.action:<9}  "
            f"{name}/{each.version}{before}, by {each.by}, aedetect {each.code}",
            soft_wrap=True,
        )
        trained = each.trained
        if "trained_from" in trained:
            out.print(
                f"  trained on {trained['trained_from']} to {trained['trained_until']}, "
                f"{int(trained['rows']):,} rows, data {trained['data_fingerprint'][:12]}, "
                f"aedetect {trained['code_version']}",
                soft_wrap=True,
            )
        if each.why:
            out.print(f"  {each.why}", soft_wrap=True)
    if champions and (not entries or entries[-1].version != champions[0]):
        out.print(f"{name}/{champions[0]} is the champion now, promoted without aedetect")
