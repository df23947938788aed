"""What the caller of `init` decided, kept beside the converted data for `--data-only`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aedetect.output import written

OPTIONS = ("timestamp", "entity", "label", "dates")
_FILE = ".init.json"  # no input: names that begin with a dot are passed over
_DATES = ("day-first", "month-first")


def remember(options: Mapping[str, str | None], folder: Path) -> None:
    """Keep the options of a folder of converted data. Raises OutputError if that fails."""
    with written(folder):
        (folder / _FILE).write_text(json.dumps(dict(options)) + "\n", encoding="utf-8")


def remembered(folder: Path) -> dict[str, Any]:
    """Return the options that were kept; none when an earlier version converted the data."""
    try:
        found: Any = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    kept = {name: found[name] for name in OPTIONS if isinstance(found.get(name), str)}
    return kept if kept.get("dates", _DATES[0]) in _DATES else {}
