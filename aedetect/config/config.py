"""Read one TOML file per detector into frozen settings. Unknown keys are refused."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from aedetect.calibration.settings import THRESHOLD_KEYS, CalibrationSettings
from aedetect.config.renamed import refuse_renamed
from aedetect.config.validation import check_sections
from aedetect.data.discovery import escaped
from aedetect.data.schema import suggest_nearest
from aedetect.data.settings import DataSettings
from aedetect.delivery.settings import DatabaseSettings, NotifySettings
from aedetect.detector.settings import RuleSettings
from aedetect.errors import ConfigError
from aedetect.evaluation.settings import PromotionSettings
from aedetect.events.settings import EventSettings
from aedetect.models.settings import ModelSettings
from aedetect.output.filesystem import output_path
from aedetect.preprocessing.settings import PrepareSettings, WindowSettings
from aedetect.registry.settings import RegistrySettings
from aedetect.report.settings import ReportSettings
from aedetect.scoring.settings import ScoringSettings
from aedetect.secrets import Secrets, check_literals, mask
from aedetect.training.settings import TrainingSettings

_TRAINING_SECTIONS = ("data", "prepare", "window", "model", "training", "calibration", "rules")
_validator: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)  # building one takes longest
_NOT_HASHED = {
    "data": ("train", "units"),
    "training": ("schedule", "on_drift", "max_age", "hold_off"),
}
_SQLITE = "sqlite:///"
_NOT_SECTIONS = ("folder", "secrets")
_SECRET_SECTIONS = ("registry", "database", "notify")  # their values are not repeated in messages


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """The identity of the detector: `[detector]`."""

    name: str  # of the registered model


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of one detector, and the folder that its paths are relative to."""

    detector: DetectorSettings
    data: DataSettings
    prepare: PrepareSettings = field(default_factory=PrepareSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    rules: RuleSettings = field(default_factory=RuleSettings)
    events: EventSettings = field(default_factory=EventSettings)
    promotion: PromotionSettings = field(default_factory=PromotionSettings)
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    registry: RegistrySettings = field(default_factory=RegistrySettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    folder: Path = field(default_factory=Path)
    secrets: Secrets = field(default_factory=Secrets, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Name of the registered model."""
        return self.detector.name

    @property
    def hash(self) -> str:
        """Hash of the settings that training depends on, without locations and schedules."""
        settings = {section: asdict(getattr(self, section)) for section in _TRAINING_SECTIONS}
        # Locations, units and schedules do not change what is trained.
        for section, keys in _NOT_HASHED.items():
            for key in keys:
                settings[section].pop(key)
        for key in THRESHOLD_KEYS:  # a new threshold needs no new training
            settings["calibration"].pop(key)
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def train(self) -> tuple[str, ...]:
        """Locations of the training data."""
        return tuple(self._resolve_pattern(source) for source in self.data.sources)

    @property
    def input(self) -> tuple[str, ...]:
        """Locations of the data to score; raise ConfigError when there are none."""
        given = self.scoring.input
        if not given:
            raise ConfigError(
                "[scoring] input is needed for this command, but it is not set: give the "
                'file, folder, glob or URL of the data to score, such as input = "incoming/"'
            )
        return tuple(
            self._resolve_pattern(each) for each in ((given,) if isinstance(given, str) else given)
        )

    @property
    def maintenance(self) -> tuple[str, ...]:
        """Files with the intervals of planned maintenance."""
        return tuple(self._resolve(each) for each in self.events.maintenance)

    @property
    def output(self) -> Path:
        """Output folder, local or on object storage.

        Raises ConfigError when the protocol of a URL is not supported.
        """
        return output_path(self._resolve(self.scoring.output))

    @property
    def report_folder(self) -> Path | None:
        """Folder of the page after a scheduled run; None: no page is written."""
        return None if self.report.to is None else Path(self._resolve(self.report.to))

    @property
    def model_reference(self) -> str:
        """The model that scores: NAME@alias or NAME/version."""
        return self.scoring.model or f"{self.name}@champion"

    @property
    def tracking_uri(self) -> str:
        """Tracking URI of MLflow, with a relative SQLite path made absolute."""
        return self._resolve_database(self.registry.tracking_uri, where="[registry] tracking_uri")

    @property
    def database_url(self) -> str | None:
        """URL of the database, with a relative SQLite path made absolute; None: no database."""
        given = self.database.url
        return None if given is None else self._resolve_database(given, where="[database] url")

    @property
    def notify_urls(self) -> tuple[str, ...]:
        """URLs of the receivers for Apprise. Raises ConfigError when a secret is missing."""
        return tuple(self.secrets.resolve(u, where="[notify] urls") for u in self.notify.listed)

    def _resolve_database(self, given: str, *, where: str) -> str:
        uri = self.secrets.resolve(given, where=where)
        if not uri.startswith(_SQLITE):
            return uri
        return _SQLITE + str((self.folder / uri.removeprefix(_SQLITE)).resolve())

    def _resolve(self, location: str) -> str:
        """Resolve a path relative to the configuration's folder; URLs are unchanged."""
        return location if "://" in location else str((self.folder / location).resolve())

    def _resolve_pattern(self, location: str) -> str:
        """Resolve a pattern; wildcard characters in the folder's own name are escaped."""
        located = self._resolve(location)
        if "://" in located:
            return located
        own = os.path.commonpath([self.folder.resolve(), located])
        return escaped(own) + located[len(own) :]


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
        raise ConfigError(f"{path} cannot be read ({error.strerror}): check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for override in overrides:
        _override(given, override)
    return given


def make_config(
    given: Mapping[str, Any], *, folder: Path, secrets: Secrets | None = None
) -> Config:
    """Validate plain data, as read from TOML, and build the settings. Raises ConfigError."""
    sections = {entry.name: entry for entry in fields(Config) if entry.name not in _NOT_SECTIONS}
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
    return Config(**built, folder=folder, secrets=secrets or Secrets())


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
