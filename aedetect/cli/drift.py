"""The command drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aedetect.cli.options import AsJson, ConfigPath, Overrides, Since, Until

if TYPE_CHECKING:
    from aedetect.drift import Shift

_BARS = " ▁▂▃▄▅▆▇█"


def drift_command(
    config: ConfigPath,
    overrides: Overrides = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Show what has shifted since training: the entity or all, the columns, and since when."""
    from aedetect.cli.options import load_config, load_span
    from aedetect.cli.show import console, print_json
    from aedetect.drift import find_shifts, unjudged
    from aedetect.jobs.table_clock import shown_clock

    settings = load_config(config, overrides or [])
    asked = load_span(settings, since, until)
    clock = shown_clock(settings)
    shifts = find_shifts(settings.output, span=asked, clock=clock)
    if as_json:
        print_json(shifts)
        return
    out = console()
    if not shifts:
        out.print("nothing has shifted on the last day scored")
    for shift in shifts:
        out.print(shift.text)
        out.print(f"  first named on {shift.named}")
        for line in _lines(shift):
            out.print(f"  {line}")
    for text in unjudged(settings.output, span=asked, clock=clock):
        out.print(text)


def _lines(shift: Shift) -> list[str]:
    """Return both distributions of each column that is named."""
    width = max((len(each["column"]) for each in shift.distributions), default=0)
    return [
        f"{each['column'] if name == 'training' else '':{width}}  {name:8}  "
        f"{sparkline(each[name])}" + (f"  PSI {each['psi']:.2f}" if name == "now" else "")
        for each in shift.distributions
        for name in ("training", "now")
    ]


def sparkline(counts: list[int]) -> str:
    """Return counts as bars, relative to the largest.

    >>> sparkline([0, 1, 8])
    ' ▁█'
    """
    most = max(max(counts, default=0), 1)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts)
