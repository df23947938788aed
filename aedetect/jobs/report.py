"""The page of a configuration: the facts beside the output, and where the file goes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aedetect import registry
from aedetect.calibration.budget import parse_budget
from aedetect.data import find_files
from aedetect.data.unused import with_rows
from aedetect.errors import AedetectError
from aedetect.evaluation import known_anomalies
from aedetect.events import EventRules, read_labels
from aedetect.events.labels import LABELS
from aedetect.jobs.event_lines import add_column_lines
from aedetect.jobs.sensor_grades import grade_sensors
from aedetect.jobs.similar_windows import add_similar
from aedetect.jobs.table_clock import shown_clock
from aedetect.logs import log_event
from aedetect.output.atomic import PART
from aedetect.output.partitions import Span
from aedetect.report import PageFacts, read_page, write_page
from aedetect.report.cards import MAX_DRAWN
from aedetect.report.page import with_facts
from aedetect.report.wording import first_sentence
from aedetect.scoring import Model
from aedetect.scoring.loaded import cached_outline
from aedetect.scoring.maintenance import read_intervals
from aedetect.scoring.summarize import outcome_of
from aedetect.timestamps import parse_duration

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.detector import Outline
    from aedetect.drift import Shift
    from aedetect.report.page import Page

PAGE = "report.html"
logger = logging.getLogger(__name__)
_T = TypeVar("_T")
_TOLD = {
    "trained_from": "trained from",
    "trained_until": "trained until",
    "rows": "training rows",
    "code_version": "trained by",
    "calibrated_for": "calibrated for",
}


@dataclass(frozen=True, kw_only=True)
class WrittenPage:
    """A page that was written."""

    path: Path
    size: int  # bytes
    events: int  # reported, in the time of the page
    sentence: str


def page_path(config: Config) -> Path | None:
    """Return where the page of scheduled runs is written; None without `[report] to`."""
    return None if config.report_folder is None else config.report_folder / PAGE


def write_report(
    config: Config,
    *,
    config_path: str,
    to: Path,
    span: Span | None = None,
    now: datetime | None = None,
    shifts: Sequence[Shift] | None = None,
) -> WrittenPage:
    """Write the page of a time range, by default of the last days of the scores.

    What cannot be looked up, such as the model of a registry that is away, is left out and named.
    Raises NoData when nothing was scored, and OutputError when the file cannot be written.
    """
    asked = span or Span()
    page = read_content(config, config_path=config_path, span=asked, now=now, shifts=shifts)
    size = write_page(page, to)
    sentence = first_sentence(page)
    return WrittenPage(path=to, size=size, events=len(page.events), sentence=sentence)


def write_run_page(
    config: Config,
    *,
    config_path: str | None,
    now: datetime | None,
    shifts: Sequence[Shift] | None = None,
) -> Path | None:
    """Write the page of a run, if the settings ask for one; return where it is.

    `shifts` are those that the run has found, if it has looked.
    A page that cannot be written fails no run: what was scored is written before it.
    """
    to = page_path(config)
    if to is None:
        return None
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        path = config_path or f"{config.name}.toml"
        return write_report(config, config_path=path, to=to, now=now, shifts=shifts).path
    except (AedetectError, OSError) as error:
        log_event(logger, "note", text=f"the page is not written: {error}")
        return None


def is_page_current(config: Config, *, config_path: str | None) -> bool:
    """Whether the page is younger than the configuration and the labels: of a run without news."""
    to, labels = page_path(config), config.output / LABELS / PART
    if to is None or config_path is None:
        return False
    try:
        asked = [Path(config_path), *([labels] if labels.exists() else [])]
        return max(each.stat().st_mtime_ns for each in asked) < to.stat().st_mtime_ns
    except (OSError, AttributeError):  # no page yet; object storage has no such times
        return False


def read_content(
    config: Config,
    *,
    config_path: str,
    span: Span,
    now: datetime | None = None,
    shifts: Sequence[Shift] | None = None,
) -> Page:
    """Read what the page shows; `shifts` are known to who judged the same days."""
    notes: list[str] = []
    known = partial(_or_note, notes)
    facts = PageFacts(
        detector=config.name,
        config=config_path,
        model=config.model_reference,
        span=span,
        days=config.report.days,
        clock=shown_clock(config),
        units=config.data.units,
        forewarning=parse_duration(config.report.forewarning),
        complete=config.data.label is not None,
        version=version("aedetect"),
        written=None if now is None else now.isoformat(" ", timespec="seconds"),
    )
    page = read_page(config.output, facts, shifts=shifts)
    model = known("the model", lambda: _resolved(config))
    added: dict[str, Any] = {"maintenance": known("maintenance", lambda: _planned(config, page))}
    if model is not None:
        added |= {"model": f"{model[0].name}/{model[0].version}", "trained": model[1]}
        detector = known("the detector", lambda: cached_outline(model[0].folder))
        if detector is not None:
            added |= _of_calibration(config, detector, page)
            added["outcome"] = known("the outcome", partial(_outcome, config, model[0]))
            added["sensors"] = grade_sensors(detector, page.missing)
            added["known"] = known("labels", lambda: _known(config, detector))
    given = {name: each for name, each in added.items() if each is not None}
    cards = None
    if model is not None and config.scoring.input:
        draw = partial(add_column_lines, config, model[0], page.cards)
        cards = known(
            "observed and expected values", lambda: draw(period=page.period, drawn=MAX_DRAWN)
        )
    if model is not None:
        shown_cards = page.cards if cards is None else cards
        cards = known("similar windows", lambda: add_similar(config, model[0], shown_cards))
    return with_facts(page, replace(facts, **given, notes=tuple(notes)), cards)


def _or_note(notes: list[str], what: str, look_up: Callable[[], _T]) -> _T | None:
    """Return what is looked up; None, and a note for the page, when it cannot be."""
    try:
        return look_up()
    except AedetectError as error:
        notes.append(f"{what}: {error}")
        log_event(logger, "note", text=f"the page is without {what}: {error}")
        return None


def _resolved(config: Config) -> tuple[Model, dict[str, str]]:
    """Return the model that scores, and what is told of its training."""
    uri = config.tracking_uri
    found = registry.find_version(config.model_reference, tracking_uri=uri)
    folder = registry.fetch_version(found, tracking_uri=uri)
    told = {word: found.tags[key] for key, word in _TOLD.items() if key in found.tags}
    return Model(folder=str(folder), name=found.name, version=found.version), told


def _of_calibration(config: Config, detector: Outline, page: Page) -> dict[str, Any]:
    """Return what the calibration promises: the budget, and what is usual."""
    found, budget = detector.calibration, config.calibration.budget
    own = parse_budget(budget)
    entities = max(len(detector.entities), page.grid.known, 1)
    asked = config.calibration.method == "alert_budget" and not found.fallback
    return {
        "calibration": found.version,
        "usual": (found.forecast.low, found.forecast.high),
        "budget": budget if asked else None,
        "budget_a_day": own.per_day * (entities if own.per_entity else 1) if asked else None,
    }


def _outcome(config: Config, model: Model) -> Any:
    renewed, factor = config.renew is not None, config.scoring.promise_factor
    return outcome_of(model, config.output, renewed=renewed, factor=factor)


def _planned(config: Config, page: Page) -> Any:
    axis, clock = page.axis, page.facts.clock
    return read_intervals(config.maintenance, start=axis.start, end=axis.end, clock=clock)


def _known(config: Config, detector: Outline) -> Any:
    """Return labelled anomalies: those of the label column, and confirmed events."""
    schema = detector.schema
    rules = EventRules.of(config.events, max_gap=schema.max_gap, period=schema.period)
    labels = read_labels(config.output)
    if not config.scoring.input or (config.data.label is None and not labels):
        return None
    source = with_rows(find_files(config.input, timestamp=config.data.timestamp))
    return known_anomalies(source, config.data, labels, merge_gap=rules.stay)
