"""The configuration as a JSON schema, for editors, and as text with every setting resolved."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from importlib.resources import files
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from aedetect.calibration.settings import NEVER
from aedetect.config.config import NOT_SECTIONS, Config
from aedetect.secrets import mask

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 40
_DESCRIPTIONS = "descriptions.json"  # made by docs/hooks.py


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file (draft 2020-12).

    The descriptions are those of docs/reference/configuration.md, which a test compares with them.
    """
    kinds = get_type_hints(Config)
    told = json.loads(files(__package__).joinpath(_DESCRIPTIONS).read_text(encoding="utf-8"))
    sections: dict[str, Any] = {}
    for name in _sections():
        found = TypeAdapter(kinds[name]).json_schema()
        for key, about in found["properties"].items():
            about["description"] = told[name][key]
        sections[name] = found | {"additionalProperties": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aedetect",
        "description": "One detector",
        "type": "object",
        "properties": sections,
        "required": ["detector", "data"],
        "additionalProperties": False,
    }


def settings_text(config: Config, given: Mapping[str, Any]) -> str:
    """Return all settings as TOML; what is not in `given` is marked as a default."""
    lines: list[str] = []
    for section in _sections():
        lines += [f"[{section}]", *_section(config, section, given.get(section, {})), ""]
    return "\n".join(lines).rstrip()


def _sections() -> Iterator[str]:
    yield from (entry.name for entry in fields(Config) if entry.name not in NOT_SECTIONS)


def _section(config: Config, section: str, given: Mapping[str, Any]) -> Iterator[str]:
    resolved = {
        ("data", "train"): config.train,
        ("scoring", "input"): config.input if config.scoring.input else (),
        ("scoring", "output"): (str(config.output),),
        ("scoring", "model"): (config.model_reference,),
        ("calibration", "renew"): () if config.calibration.renew else (config.renew or NEVER,),
        ("events", "maintenance"): config.maintenance,
    }
    for key, value in asdict(getattr(config, section)).items():
        notes = [] if key in given else ["default"]
        if where := resolved.get((section, key)):
            notes.append(f"is {', '.join(where)}")
        text = f"# {key} is not set" if value is None else f"{key} = {_toml(value)}"
        yield mask(f"{text.ljust(_WIDTH)}  # {'; '.join(notes)}" if notes else text)


def _toml(value: Any) -> str:
    """Return a value as TOML; its strings, numbers and lists are those of JSON."""
    if isinstance(value, Mapping):
        pairs = (f"{_key(name)} = {_toml(each)}" for name, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
