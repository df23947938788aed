"""Output about registered versions and the history of promotions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from aedetect.cli.show import console, table_of

if TYPE_CHECKING:
    from aedetect.jobs.promises import ScoredTime
    from aedetect.registry import Registered
    from aedetect.registry.history import Promotion


def print_models(name: str, versions: Sequence[Registered]) -> None:
    """Show registered versions."""
    if not versions:
        console().print(f"no version of {name} yet: aedetect train CONFIG")
        return
    out = console()
    table = table_of("version", "aliases", "created", "calibration", "variant", "config", "data")
    for each in versions:
        tags = each.tags
        table.add_row(
            each.reference,
            ", ".join(each.aliases),
            each.created.isoformat(" ", timespec="minutes"),
            str(each.calibration),
            *(
                str(tags.get(key, ""))[:12]
                for key in ("variant", "config_hash", "data_fingerprint")
            ),
        )
    out.print(table)
    for each in versions:
        for text in _evidence(each.tags):
            out.print(f"{each.reference}  {text}", soft_wrap=True)


def _evidence(tags: Mapping[str, str]) -> Iterator[str]:
    """Yield what one promotes by: training, promise, the result of the gate."""
    if "promise" in tags:
        yield (
            f"trained on {tags['trained_from']} to {tags['trained_until']}, flagged at most "
            f"{float(tags['promise']):.3%} of normal rows when trained, at a threshold of "
            f"{float(tags['threshold']):.4g}, {float(tags['events_a_day']):.2g} events a day"
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
            "" if each.share is None else f"{each.share:.3%}",
            "?" if each.promise is None else f"{each.promise:.3%}",
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
