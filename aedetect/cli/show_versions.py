"""Output about registered versions and the history of promotions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aedetect.cli.show import console, table_of

if TYPE_CHECKING:
    from aedetect.registry import Registered
    from aedetect.registry.history import Promotion


def print_models(name: str, versions: Sequence[Registered]) -> None:
    """Show registered versions."""
    if not versions:
        console().print(f"no version of {name} yet: aedetect train CONFIG")
        return
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
