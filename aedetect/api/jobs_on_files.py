"""The jobs of the command line, in this process, without Prefect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.api.detector import Time, as_detector, time_text

if TYPE_CHECKING:
    from aedetect.api.detector import Detector
    from aedetect.config import Config
    from aedetect.display import Events, Report
    from aedetect.registry import Registered
    from aedetect.scoring import Summary


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """The result of a training run: a detector, and its registered version."""

    detector: Detector
    registered: Registered  # its name, version, aliases, tags and run in MLflow


def train(config: Config | str | Path) -> TrainingResult:
    """Train, calibrate and register a detector: `aedetect train`, without Prefect.

    Args:
        config: A configuration, or the path of its file.

    Returns:
        The detector and its registered version: `registered.reference` is "NAME/VERSION". The first
        version becomes the champion, which scoring uses.

    Raises:
        ConfigError: The configuration cannot be read, or a setting is impossible.
        DataError: The training data cannot be used; its subclasses name the reason.
        CalibrationRefused: The held-out rows cannot support the threshold that was asked for.
        RegistryError: The registry does not answer.
    """
    from aedetect.jobs.training import run_training
    from aedetect.registry import list_versions

    settings = _config(config)
    # Fail now, not after training, if the registry does not answer.
    list_versions(name=settings.name, tracking_uri=settings.tracking_uri)
    fitted, registered = run_training(settings)
    return TrainingResult(detector=as_detector(fitted), registered=registered)


def score(
    config: Config | str | Path,
    *,
    since: Time | None = None,
    until: Time | None = None,
    rescore: bool = False,
    force: bool = False,
) -> Summary:
    """Score the files that are new or changed: `aedetect score`, without Prefect.

    It writes to the output folder of the configuration, records the run there, sends notifications
    and fills a database as configured.

    Args:
        config: A configuration, or the path of its file.
        since: Start of the time range to score, with the current model; ISO text or a datetime.
        until: End of the time range to score, exclusive; likewise.
        rescore: Also score again what another model scored.
        force: Also score again what is up to date.

    Returns:
        A summary of the run: `rows`, `flagged`, `not_scored` by reason, `events`, `warnings`.

    Raises:
        ConfigError: The configuration cannot be read, or `[scoring] input` is not set.
        DataError: The input, or with `[scoring] strict` any part of it, cannot be used.
        UnknownModel: There is no registered model to score with.
        OutputError: The output folder cannot be written.
        DeliveryError: The database could not be filled. The output files are complete.
    """
    from aedetect.jobs.scoring import run_scoring
    from aedetect.jobs.table_clock import read_span
    from aedetect.output.partitions import Span

    settings = _config(config)
    span = read_span(settings, _text(since), _text(until), now=_now())
    return run_scoring(
        settings,
        span=span,
        rescore=rescore or span != Span(),
        force=force,
        clock=_now,
    )


def read_events(
    config: Config | str | Path,
    *,
    since: Time | None = None,
    until: Time | None = None,
    suppressed: bool = False,
) -> Events:
    """Read the events that scoring wrote, one per row, the most anomalous first.

    Args:
        config: A configuration, the path of its file (`*.toml`), or the output folder.
        since: Leave out events that end before; ISO text or a datetime.
        until: Leave out events that start then or later.
        suppressed: Include suppressed events.

    Returns:
        The columns of `events/`, as described on the page on the output. `causes` is a list of
        `{"feature", "share", "observed", "expected", "unusual"}` for each event. A notebook shows a
        card for each event.

    Raises:
        NoData: There are no scores yet.
    """
    from aedetect.config import Config
    from aedetect.display.event_table import make_events
    from aedetect.events import read_event_table
    from aedetect.jobs.table_clock import output_clock, shown_clock
    from aedetect.output.filesystem import output_path

    is_folder = not isinstance(config, Config) and not str(config).endswith(".toml")
    if is_folder:
        output = output_path(str(config))
        clock = output_clock(output)
    else:
        settings = _config(config)
        output, clock = settings.output, shown_clock(settings)
    texts, now = (_text(since), _text(until)), _now()
    start, end = (clock.parse(text, now=now) if text else None for text in texts)
    return make_events(read_event_table(output, since=start, until=end, suppressed=suppressed))


def read_report(
    config: Config | str | Path, *, since: Time | None = None, until: Time | None = None
) -> Report:
    """Read the page of a time range: `aedetect report`, as an object that a notebook shows.

    Args:
        config: A configuration, or the path of its file.
        since: Start of the time range; ISO text or a datetime. None: the last days of the scores,
            as many as `[report] days`.
        until: End of the time range, exclusive.

    Returns:
        The report: `sentence`, `events`, and `save`, which writes it as one HTML file.

    Raises:
        NoData: There are no scores in that time.
        OutputError: A file of the output is damaged.
    """
    from aedetect.display import Report
    from aedetect.jobs.report import read_content
    from aedetect.jobs.table_clock import read_span

    settings = _config(config)
    named = str(config) if isinstance(config, str | Path) else f"{settings.name}.toml"
    span = read_span(settings, _text(since), _text(until), now=_now())
    return Report(read_content(settings, config_path=named, span=span, now=_now()))


def _config(given: Config | str | Path) -> Config:
    from aedetect.config import Config, check_single, read_config

    return check_single(given if isinstance(given, Config) else read_config(Path(given)))


def _text(given: Time | None) -> str | None:
    """Return a time as ISO text; None for None."""
    return None if given is None else time_text(given)


def _now() -> datetime:
    return datetime.now(tz=UTC)
