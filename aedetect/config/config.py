"""All settings of one detector, and what follows from them."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aedetect.calibration.settings import THRESHOLD_KEYS, CalibrationSettings
from aedetect.data.discovery import escaped
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
from aedetect.secrets import Secrets
from aedetect.training.settings import TrainingSettings

_TRAINING_SECTIONS = ("data", "prepare", "window", "model", "training", "calibration", "rules")
_NOT_HASHED = {
    "data": ("train", "units"),
    "training": ("schedule", "on_drift", "max_age", "hold_off"),
}
_SQLITE = "sqlite:///"
NOT_SECTIONS = ("folder", "secrets", "whole")


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """The identity of the detector: `[detector]`."""

    name: str  # of the registered model
    by: str | None = None  # a column: one detector for each of its values
    only: str | int | None = None  # with `by`: the detector of this value alone


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
    whole: Config | None = field(default=None, repr=False, compare=False)  # of all values; see `by`

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
    def renew(self) -> str | None:
        """How often scoring runs renew the thresholds; None: never."""
        return self.calibration.renewed_every(scheduled=self.scoring.schedule is not None)

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
