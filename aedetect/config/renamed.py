"""Keys and values that have another name now: the old one is refused with the new one named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aedetect.errors import ConfigError

_KEYS = {
    ("calibration", "worst"): "top_k",
    ("events", "bridge"): "merge_gap",
    ("model", "draws"): "n_samples",
}
_VALUES = {
    ("calibration", "score", "worst"): "top_k",
    ("prepare", "missing", "carry"): "forward_fill",
}


def refuse_renamed(section: str, given: Mapping[str, Any]) -> None:
    """Raise ConfigError for a key or a value of a section that was renamed.

    >>> refuse_renamed("events", {"bridge": "1h"})
    Traceback (most recent call last):
    ...
    aedetect.errors.ConfigError: [events] bridge was renamed: write merge_gap
    """
    for key, value in given.items():
        if new := _KEYS.get((section, key)):
            raise ConfigError(f"[{section}] {key} was renamed: write {new}")
        if isinstance(value, str) and (new := _VALUES.get((section, key, value))):
            raise ConfigError(f'[{section}] {key} = "{value}" was renamed: write "{new}"')
