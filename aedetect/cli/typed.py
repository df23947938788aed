"""Commands in texts, with the configuration that was typed, so that they can be copied."""

from __future__ import annotations

import re
import sys
from shlex import quote

_PLACES = ("scoring.output=", "scoring.input=", "data.", "registry.", "detector.")
_COMMAND = re.compile(r"\b(aedetect [a-z]+) CONFIG\b")


def settings_kept() -> str:
    """Return the typed settings by which the next command finds the same data and output."""
    pairs = zip(sys.argv[2:], sys.argv[3:], strict=False)
    kept = [value for word, value in pairs if word == "--set" and value.startswith(_PLACES)]
    return "".join(f" --set {quote(value)}" for value in kept)


def name_config(text: str) -> str:
    """Return a text whose commands name the configuration of this command, if it has one."""
    typed = next((word for word in sys.argv[2:] if word.endswith(".toml")), None)
    if typed is None or "CONFIG" not in text:
        return text
    return _COMMAND.sub(lambda found: f"{found[1]} {quote(typed)}", text)
