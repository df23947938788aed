"""What the caller of `init` decided, kept beside the converted data for `--data-only`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.onboarding.places import data_folder
from aedetect.output import written

if TYPE_CHECKING:
    from aedetect.onboarding.initialisation import InitRequest

_FILE = ".init.json"  # no input: names that begin with a dot are passed over
_KEPT = ("timestamp", "entity", "label", "dates")
_DATES = ("day-first", "month-first")


def remember(asked: InitRequest, folder: Path) -> None:
    """Keep the options. Raises OutputError when they cannot be written."""
    kept = {name: getattr(asked, name) for name in _KEPT}
    with written(folder):
        (folder / _FILE).write_text(json.dumps(kept) + "\n", encoding="utf-8")


def with_remembered(asked: InitRequest, to: Path) -> InitRequest:
    """Return a request with the options of before, where none is given now."""
    try:
        found: Any = json.loads((data_folder(to) / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # converted by an earlier version, or by hand
        return asked
    kept: dict[str, Any] = {
        name: value
        for name in _KEPT
        if getattr(asked, name) is None
        and isinstance(found, dict)
        and isinstance(value := found.get(name), str)
        and (name != "dates" or value in _DATES)
    }
    return replace(asked, **kept)
