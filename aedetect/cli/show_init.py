"""What init found, on a terminal."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from aedetect.cli.next_step import print_next
from aedetect.cli.show import console
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.onboarding import Initialised
    from aedetect.onboarding.moments import Timed

_NAMED = 6


def print_initialised(done: Initialised, *, data_only: bool) -> None:
    """Show files, guesses with their reasons, and what to check."""
    out = console()
    out.print(_files(done))
    if done.places.folder is not None:
        out.print(f"converted to Parquet in {os.path.relpath(done.places.folder)}")
    rows = list(_guesses(done))
    width = max(len(key) for key, *_ in rows)
    for key, value, why in rows:
        out.print(f"  {key.ljust(width)}  {value}{'  - ' if why else ''}{why}")
    if done.doubts:
        out.print("check:")
        for doubt in done.doubts:
            out.print(_bullet(doubt, out.width), soft_wrap=True)
    if data_only:
        print_next("score", done.config, "judge what is new or changed")
        return
    out.print(f"wrote {done.config}, with a reason beside each key")
    print_next("check", done.config, "what train and score will take, treat specially or refuse")


def _bullet(text: str, width: int) -> str:
    return textwrap.fill(
        text,
        width=width,
        initial_indent="  - ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _files(done: Initialised) -> str:
    """Return what kind of files were read, in how many rows."""
    files = done.sources.files
    kinds: dict[str, int] = {}
    for file in files:
        kinds[file.kind] = kinds.get(file.kind, 0) + 1
    shown = {"parquet": "Parquet", "csv": "CSV", "json": "JSON"}
    named = ", ".join(
        f"{n:,} {shown[kind]} file{'s' * (n != 1)}" for kind, n in sorted(kinds.items())
    )
    sample = " (some of them opened)" if done.sources.is_sample else ""
    said = "; ".join(_remarks(done.sources.tables))
    return f"{named}{sample}{': ' if said else ''}{said}"


def _remarks(tables: Sequence[Timed]) -> Iterable[str]:
    """Yield how files are written, and of how many that is true, if not of all."""
    found: dict[str, int] = {}
    for timed in tables:
        table = timed.table
        how = [r for r in table.remarks if "another number of cells" not in r and "twice" not in r]
        decimal = {c.how for c in table.columns if c.kind == "number" and c.how}
        for each in [*how, *sorted(decimal)]:
            found[each] = found.get(each, 0) + 1
    for text, count in found.items():
        yield text if count == len(tables) else f"{text} (in {count:,} of {len(tables):,} tables)"


def _guesses(done: Initialised) -> Iterable[tuple[str, str, str]]:
    """Yield key, value and reason of each guess."""
    roles, found = done.roles, done.found
    yield "rows", f"{roles.rows:,}", f"{roles.first:%Y-%m-%d %H:%M} to {roles.last:%Y-%m-%d %H:%M}"
    yield "timestamp", done.time[0], done.time[1]
    yield "entity", roles.entity.value or "none", roles.entity.why
    yield "label", roles.label.value or "none", roles.label.why
    yield "sampling", found.sampling, ""
    if found.features:
        yield "features", f"{found.features:,}", ""
    for key, names, why in (
        ("counters", found.counters, "only grow: their increase is learnt"),
        ("left out", found.row_numbers, "grow by the same in nearly every row, as a clock does"),
        ("constant", found.constants, "any change is an anomaly"),
        ("categories", found.categories, "a value never seen is an anomaly"),
        ("fill values", found.fill_values, "taken as missing"),
    ):
        if names:
            yield key, list_some(names, most=_NAMED), why
    if done.until is not None:
        why = "later rows are scored without having been learnt from"
        yield "train until", f"{done.until:%Y-%m-%d %H:%M}", why
