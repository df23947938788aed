"""Validation of a configuration beyond the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from aedetect.calibration.budget import parse_budget
from aedetect.calibration.settings import NEVER, CalibrationSettings
from aedetect.data.schema import suggest_nearest
from aedetect.errors import ConfigError
from aedetect.models.settings import ModelSettings, check_backbone
from aedetect.preprocessing.settings import WindowSettings
from aedetect.timestamps import parse_duration
from aedetect.wall_clock import load_zone

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DURATIONS = (
    ("data", "frequency"),
    ("data", "max_gap"),
    ("prepare", "missing_limit"),
    ("calibration", "renew_from"),
    ("calibration", "accept_after"),
    ("events", "merge_gap"),
    ("events", "incident"),
    ("events", "min_duration"),
    ("events", "cool_down"),
    ("training", "window"),
    ("training", "max_age"),
    ("training", "hold_off"),
    ("promotion", "shadow"),
    ("scoring", "stale_after"),
    ("scoring", "keep_records"),
    ("notify", "max_age"),
)


def check_sections(built: Mapping[str, Any]) -> None:
    """Check the sections, given by name, beyond the types of their keys. Raises ConfigError."""
    name = built["detector"].name
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"[detector] name must be letters, digits, '.', '_' and '-', got {name!r}"
        )
    _check_by(built)
    for section, key in _DURATIONS:
        text = getattr(built.get(section), key, None)
        if text is not None and parse_duration(text) <= 0:
            raise ConfigError(f"[{section}] {key} must be longer than 0, got {text}")
    factor = getattr(built.get("scoring"), "promise_factor", 3.0)
    if factor < 1:
        raise ConfigError(f"[scoring] promise_factor must be at least 1, got {factor:g}")
    _check_zone(built["data"].timezone)
    model = built.get("model", ModelSettings())
    window = built.get("window", WindowSettings())
    check_backbone(model, length=window.length)
    if window.long and window.long <= window.length:
        raise ConfigError(
            f"[window] long must be more than length, that is {window.length} rows, or 0 for no "
            f"long windows, got {window.long}"
        )
    calibration = built.get("calibration", CalibrationSettings())
    parse_budget(calibration.budget)
    _check_renewal(calibration.renew)
    _check_score(calibration, model)


def _check_by(built: Mapping[str, Any]) -> None:
    """Check the column that divides the input into those of several detectors."""
    detector, model = built["detector"], getattr(built.get("scoring"), "model", None)
    if detector.only is not None and detector.by is None:
        raise ConfigError("[detector] only needs [detector] by, the column whose value it is")
    if detector.by is not None and not set(detector.by).isdisjoint("/="):
        raise ConfigError(f'[detector] by must have no "/" and no "=", got {detector.by!r}')
    if detector.by is not None and detector.only is None and model is not None:
        raise ConfigError(
            f'[scoring] model names one detector, got "{model}", and [detector] by makes one for '
            "each value: leave it out"
        )


def _check_zone(name: str | None) -> None:
    """Check that a zone is known here; raise ConfigError with the nearest one."""
    if name is None:
        return
    try:
        load_zone(name)
    except ConfigError as error:
        near = suggest_nearest(name, available_timezones())
        raise ConfigError(
            f'[data] timezone must be a name such as "Europe/Berlin", got "{name}"{near}'
        ) from error


def _check_renewal(every: str | None) -> None:
    """Check how often the thresholds are renewed."""
    if every is None or every == NEVER:
        return
    try:
        length = parse_duration(every)
    except ConfigError as error:
        raise ConfigError(
            f'[calibration] renew must be a duration such as "1d", or "{NEVER}", got "{every}"'
        ) from error
    if length <= 0:
        raise ConfigError(f"[calibration] renew must be longer than 0, got {every}")


def _check_score(settings: CalibrationSettings, model: ModelSettings) -> None:
    """Check that the model and the alignment support the score."""
    if settings.score == "elbo" and model.variant != "variational":
        raise ConfigError(
            '[calibration] score = "elbo" needs [model] variant = "variational", got '
            f'"{model.variant}": use score = "mse" or "standardized"'
        )
    if settings.score == "elbo" and settings.renewed_every(scheduled=True) is not None:
        raise ConfigError(
            '[calibration] renew needs a score that is never negative, got score = "elbo": leave '
            "it out, or use another score"
        )
    if settings.score == "ensemble" and settings.smooth > 1:
        raise ConfigError(
            '[calibration] smooth must be 1 with score = "ensemble", whose members are means over '
            f'1 to 60 rows already, got {settings.smooth}: leave it out, or use score = "mse"'
        )
    if settings.score == "elbo" and settings.alignment != "causal":
        raise ConfigError(
            '[calibration] score = "elbo" needs alignment = "causal", because the bound holds for '
            f'one window, got "{settings.alignment}": use another score or that alignment'
        )
