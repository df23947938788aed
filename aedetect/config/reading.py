"""Read one TOML file per detector into frozen settings. Unknown keys are refused."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from aedetect.config.config import NOT_SECTIONS, Config
from aedetect.config.renamed import refuse_renamed
from aedetect.config.validation import check_sections
from aedetect.config.values import of_value
from aedetect.data.schema import suggest_nearest
from aedetect.errors import ConfigError
from aedetect.secrets import Secrets, check_literals, mask

_validator: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)  # building one takes longest
_SECRET_SECTIONS = ("registry", "database", "notify")  # their values are not repeated in messages


def read_config(
    path: Path, overrides: Sequence[str] = (), *, secrets: Secrets | None = None
) -> Config:
    """Read a TOML file and `section.key=value` overrides. Raises ConfigError.

    Secrets are looked up in `secrets` when they are needed; by default in the environment of the
    process.
    """
    return make_config(read_given(path, overrides), folder=path.resolve().parent, secrets=secrets)


def read_given(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a TOML file and overrides set, as plain data. Raises ConfigError."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(_unread(path, error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        kind = path.suffix.lower()
        if kind != ".toml" and kind:
            raise ConfigError(
                f"{path} is no configuration, which is a TOML file: `aedetect init "
                f"{quote(str(path))}` writes one for data"
            ) from error
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for override in overrides:
        _override(given, override)
    return given


def _unread(path: Path, error: OSError) -> str:
    """Say what to do about a configuration that cannot be read."""
    if path.is_dir():
        return (
            f"{path} is a folder, and a configuration is a TOML file: `aedetect init "
            f"{quote(str(path))}` writes one for the data in it"
        )
    if isinstance(error, FileNotFoundError):
        return (
            f"{path} is not there: check the path, or write a configuration with "
            "`aedetect init DATA`"
        )
    return f"{path} cannot be read ({error.strerror}): check the path"


def make_config(
    given: Mapping[str, Any], *, folder: Path, secrets: Secrets | None = None
) -> Config:
    """Validate plain data, as read from TOML, and build the settings. Raises ConfigError."""
    sections = {entry.name: entry for entry in fields(Config) if entry.name not in NOT_SECTIONS}
    kinds = get_type_hints(Config)
    check_literals(given)
    _refuse_unknown(given, sections, where="a section")
    built: dict[str, Any] = {}
    for name, entry in sections.items():
        needed = entry.default_factory is MISSING
        if needed and name not in given:
            raise ConfigError(f"the configuration needs a section [{name}], but it has none")
        if name in given:
            built[name] = _section(name, kinds[name], given[name])
    check_sections(built)
    made = Config(**built, folder=folder, secrets=secrets or Secrets())
    return (
        made if made.detector.only is None else of_value(made, str(made.detector.only), whole=made)
    )


def _section(name: str, kind: type[Any], given: Any) -> Any:
    """Build the settings of one section."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"[{name}] must be a section, got {mask(repr(given))}")
    refuse_renamed(name, given)
    _refuse_unknown(given, [entry.name for entry in fields(kind)], where=f"a key of [{name}]")
    try:
        return _validator(kind).validate_python(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][:1])
        silent = first["type"] == "missing" or name in _SECRET_SECTIONS
        came = "" if silent else f", got {first['input']!r}"
        raise ConfigError(f"[{name}] {place}: {first['msg'].lower()}{came}") from error


def _refuse_unknown(given: Iterable[str], known: Iterable[str], *, where: str) -> None:
    names = list(known)
    for key in given:
        if key not in names:
            raise ConfigError(
                f'"{key}" is not {where}{suggest_nearest(key, names)}; there are {", ".join(names)}'
            )


def _override(given: dict[str, Any], override: str) -> None:
    """Apply one section.key=value; the value is parsed as TOML, else taken as text."""
    target, separator, text = override.partition("=")
    section, dot, key = target.strip().partition(".")
    if not (separator and dot and key):
        raise ConfigError(f"--set takes section.key=value, got {mask(override)}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    keys = given.setdefault(section, {})
    if isinstance(keys, dict):  # what else it is gets refused with the file
        keys[key] = value
