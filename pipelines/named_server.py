"""Which Prefect server the settings name, if any: found without Prefect where none can be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_VARIABLE = "PREFECT_API_URL"
# Files of the working folder that Prefect reads settings from, and what they hold to name a server.
_LOCAL = {".env": _VARIABLE, "prefect.toml": "url", "pyproject.toml": "tool.prefect"}


def named_server() -> str | None:
    """Return the address of the API in Prefect's settings; None if they name none.

    Prefect is asked if it is imported already, which takes a second, or if a variable or a file may
    name one.
    """
    if not _may_be_named():
        return None
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def _may_be_named() -> bool:
    if "prefect" in sys.modules or any(name.upper() == _VARIABLE for name in os.environ):
        return True
    return any(word.lower() in _text(path).lower() for path, word in _files())


def _files() -> Iterator[tuple[Path, str]]:
    """Yield the files that Prefect reads settings from, with the word that a named server needs."""
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    profiles = os.environ.get("PREFECT_PROFILES_PATH")
    yield Path(profiles).expanduser() if profiles else home / "profiles.toml", _VARIABLE
    for name, word in _LOCAL.items():
        yield Path(name), word


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
