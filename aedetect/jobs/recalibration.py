"""A new threshold for a registered model, from its held-out scores: no training, no network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.calibration import Calibration, Forecast, fit_calibration
from aedetect.calibration.confirmed_events import with_confirmed
from aedetect.calibration.forecast import Timing
from aedetect.calibration.log import log_calibration
from aedetect.calibration.serialization import write_calibration
from aedetect.calibration.settings import THRESHOLD_KEYS
from aedetect.detector import Outline, read_outline
from aedetect.events import read_labels
from aedetect.jobs.run_record import promise_tags
from aedetect.output import locked
from aedetect.output.scratch import temporary_folder

if TYPE_CHECKING:
    from aedetect.calibration.promise import Promise
    from aedetect.config import Config

SHARED = "(all others)"  # the name shown for entities without their own threshold


@dataclass(frozen=True)
class EntityThreshold:
    """The threshold and the forecast of one entity."""

    entity: str | None
    threshold: float
    rate: float  # upper bound of the share of normal rows flagged
    rows: int  # held-out rows
    tail_fits: bool
    forecast: Forecast


@dataclass(frozen=True, kw_only=True)
class Recalibrated:
    """The report of a new calibration of a registered model."""

    model: str
    version: int
    asked: dict[str, object]
    thresholds: tuple[EntityThreshold, ...]  # the pooled one first
    forecast: Forecast  # of the events of all entities together
    elsewhere: dict[str, float]
    promise: Promise
    scope: str  # of the promise: for each entity, or for several together
    notes: tuple[str, ...]  # what the promise assumes


def recalibrate(config: Config, reference: str | None = None) -> Recalibrated:
    """Choose a new threshold for a model and store it as that model's next calibration.

    Raises CalibrationRefused, UnknownModel, BrokenDetector or RegistryError.
    """
    uri = config.tracking_uri
    registered = registry.find_version(reference or config.model_reference, tracking_uri=uri)
    place = registry.fetch_version(registered, tracking_uri=uri)
    # Under a lock: concurrent processes must take consecutive numbers.
    with temporary_folder() as folder, locked(place, alone=True):
        saved = read_outline(registry.fetch_version(registered, tracking_uri=uri))
        made = make_calibration(config, saved)
        log_calibration(made)
        write_calibration(made, folder)
        registry.add_calibration(
            registered,
            folder,
            version=made.version,
            tracking_uri=uri,
            tags=_asked(config),
            facts=promise_tags(made),
        )
    return describe_recalibration(made, saved, model=registered.reference, asked=_asked(config))


def make_calibration(config: Config, saved: Outline) -> Calibration:
    """Calibrate on the held-out scores of a saved detector, as its next calibration.

    The method fbeta also uses confirmed events. Limits of single columns do not change: they depend
    on residuals, which are not stored.
    """
    before = saved.calibration
    held_out = before.held_out
    if config.calibration.method == "fbeta":
        labels = read_labels(config.output)
        held_out = with_confirmed(held_out, labels, config.output, entities=saved.entities)
    return fit_calibration(
        held_out,
        settings=config.calibration,
        timing=Timing.of(
            config.events, schema=saved.schema, length=saved.length, entities=saved.entities
        ),
        per_entity=bool(saved.entities),
        version=before.version + 1,
        limits=before.limits,
        trim=config.training.trim,
        learnt=before.promise.learnt,
    )


def describe_recalibration(
    calibration: Calibration, saved: Outline, *, model: str, asked: dict[str, object]
) -> Recalibrated:
    """Return the report of a calibration."""
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
        promise=calibration.promise,
        scope=calibration.scope,
        notes=calibration.notes,
    )


def _asked(config: Config) -> dict[str, object]:
    """Return the method, its setting if it has one, and the policy for unseen entities."""
    settings = config.calibration
    option = {"fbeta": "beta"}.get(settings.method, settings.method)
    given = asdict(settings) | {"threshold": settings.method, "alert_budget": settings.budget}
    wanted = {key: given[key] for key in ("threshold", option, "unseen")}
    assert wanted.keys() <= set(THRESHOLD_KEYS)
    return wanted
