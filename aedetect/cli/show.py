"""Output of the commands: tables on a terminal, or JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from aedetect.cli.plain_table import PlainTable
from aedetect.cli.typed import name_config
from aedetect.secrets import mask

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.evaluation import Evaluation
    from aedetect.registry import Registered

WIDTH_IN_LOG = 110  # columns, without a terminal


class _Results(Console):
    """A console whose commands name the configuration that was typed."""

    def print(self, *objects: Any, **options: Any) -> None:
        named = (name_config(each) if isinstance(each, str) else each for each in objects)
        super().print(*named, **options)


def console() -> Console:
    """Return the console for results; without a terminal its width is fixed."""
    plain = _Results(highlight=False, markup=False)
    return (
        plain if plain.is_terminal else _Results(width=WIDTH_IN_LOG, highlight=False, markup=False)
    )


def relative_location(location: str) -> str:
    """Return a path or URI relative to the working folder, with secrets masked."""
    return mask(location).replace(f"{Path.cwd()}/", "")


def print_json(value: object) -> None:
    """Print dataclasses as JSON; NaN and infinity become null."""
    print(json.dumps(_plain(value), indent=2, allow_nan=False))  # noqa: T201


def print_trained(config: Config, trained: Registered) -> None:
    """Show the registered version."""
    out = console()
    aliases = ", ".join(trained.aliases) or "no alias"
    out.print(
        f"registered {trained.reference} ({aliases}) in {relative_location(config.tracking_uri)}"
    )
    if words := trained.tags.get("gate"):
        out.print(words, soft_wrap=True)


def print_evaluation(result: Evaluation) -> None:
    """Show the agreement of verdicts with labels."""
    table = table_of("against the labels, row by row, no adjustment", "")
    table.add_row(
        "rows scored",
        f"{result.rows:,} over {result.days:.1f} days, {result.not_scored:,} not scored",
    )
    table.add_row(
        "average precision",
        f"{result.average_precision:.3f} (a random score: {result.anomalous:.3f})",
    )
    table.add_row("precision at the threshold", f"{result.precision:.3f}")
    table.add_row("recall at the threshold", f"{result.recall:.3f}")
    table.add_row("false alarms a day", f"{result.false_alarms_a_day:.1f} rows")
    table.add_row("false alarm rate", f"{result.false_alarm_rate:.5f}")
    console().print(table)


def table_of(*headings: str, right: bool = False) -> PlainTable:
    """Return a table; with `right`, all columns but the first are aligned to the right."""
    return PlainTable(headings, right=right)


def _plain(value: object) -> Any:
    """Convert dataclasses, paths and datetimes to JSON-compatible values."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
