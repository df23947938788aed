"""A new threshold for a registered model, from its held-out scores: no training, no network."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.calibrate import Calibration, calibrate, log_calibration
from aedetect.calibrations import write_calibration
from aedetect.confirmed import with_confirmed
from aedetect.feedback import read_labels
from aedetect.forecast import Forecast, Timing
from aedetect.saved import Outline, outline
from aedetect.thresholds import THRESHOLD_KEYS

if TYPE_CHECKING:
    from aedetect.config import Config

SHARED = "(all others)"  # how the entities without a threshold of their own are shown


@dataclass(frozen=True)
class EntityThreshold:
    """What holds for one entity."""

    entity: str | None
    threshold: float
    rate: float  # at most this share of its normal rows is flagged
    rows: int  # held out
    tail_fits: bool
    forecast: Forecast


@dataclass(frozen=True, kw_only=True)
class Recalibrated:
    """A new calibration of a registered model, as people are told of it."""

    model: str
    version: int
    asked: dict[str, object]
    thresholds: tuple[EntityThreshold, ...]  # the pooled one first
    forecast: Forecast  # of the events of all entities together
    elsewhere: dict[str, float]


def recalibrate(config: Config, reference: str | None = None) -> Recalibrated:
    """Choose a new threshold for a model and store it as that model's next calibration.

    Raises CalibrationRefused, UnknownModel, BrokenDetector or RegistryError.
    """
    uri = config.tracking_uri
    registered = registry.find(reference or config.model_reference, tracking_uri=uri)
    saved = outline(registry.fetch(registered, tracking_uri=uri))
    made = renewed(config, saved)
    log_calibration(made)
    with tempfile.TemporaryDirectory(prefix="aedetect-") as folder:
        write_calibration(made, Path(folder))
        registry.add_calibration(
            registered, Path(folder), version=made.version, tracking_uri=uri, tags=_asked(config)
        )
    return told(made, saved, model=registered.reference, asked=_asked(config))


def renewed(config: Config, saved: Outline) -> Calibration:
    """Calibrate on the held-out scores of a saved detector, as its next version.

    What people confirmed is heeded by fbeta. The limits of single columns stay: they rest on
    residuals, which are not kept.
    """
    before = saved.calibration
    held_out = before.held_out
    if config.calibration.threshold == "fbeta":
        labels = read_labels(config.output)
        held_out = with_confirmed(held_out, labels, config.output, entities=saved.entities)
    return calibrate(
        held_out,
        settings=config.calibration,
        timing=Timing.of(config.events, schema=saved.schema, length=saved.length),
        per_entity=bool(saved.entities),
        version=before.version + 1,
        limits=before.limits,
    )


def told(
    calibration: Calibration, saved: Outline, *, model: str, asked: dict[str, object]
) -> Recalibrated:
    """Put a calibration in words."""
    groups = {SHARED if calibration.own else None: calibration} | {
        saved.entities[code]: group for code, group in calibration.own.items()
    }
    return Recalibrated(
        model=model,
        version=calibration.version,
        asked=asked,
        thresholds=tuple(
            EntityThreshold(
                entity=name,
                threshold=group.threshold.value,
                rate=group.threshold.rate,
                rows=len(group.reference),
                tail_fits=group.reference.tail.fits,
                forecast=group.forecast,
            )
            for name, group in groups.items()
        ),
        forecast=calibration.forecast,
        elsewhere=dict(calibration.elsewhere),
    )


def _asked(config: Config) -> dict[str, object]:
    """Return the method, its own setting where it has one, and what becomes of unseen entities."""
    given = asdict(config.calibration)
    method = config.calibration.threshold
    option = {"fbeta": "beta"}.get(method, method)
    wanted = {key: given[key] for key in ("threshold", option, "unseen")}
    assert wanted.keys() <= set(THRESHOLD_KEYS)
    return wanted
