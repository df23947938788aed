"""The jobs of the command line, in this process and without Prefect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.api.detector import as_detector

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.api.detector import Detector
    from aedetect.config import Config
    from aedetect.registry import Registered
    from aedetect.scoring import Summary

Time = str | datetime


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a training run made: a detector, and the version that it is registered as."""

    detector: Detector
    registered: Registered  # its name, version, aliases, tags and run in MLflow


def train(config: Config | str | Path) -> TrainingResult:
    """Train, calibrate and register a detector: `aedetect train`, without Prefect.

    Args:
        config: A configuration, or the path of its file.

    Returns:
        The detector, and the version that it is registered as: `registered.reference` is
        "NAME/VERSION". The first version becomes the champion, which scores.

    Raises:
        ConfigError: The configuration cannot be read, or a setting is impossible.
        DataError: The training data cannot be used; its subclasses say why.
        CalibrationRefused: The held-out rows cannot support the threshold that was asked for.
        RegistryError: The registry does not answer.
    """
    from aedetect.jobs.training import run_training
    from aedetect.registry import list_versions

    settings = _config(config)
    # Refuse a registry that does not answer now, and not when the training is done.
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
        since: Score from then on only, and bring it to the current model; ISO text or a datetime.
        until: Score until before then only; likewise.
        rescore: Bring all that is written to the current model.
        force: Compute again what is up to date, too.

    Returns:
        What the run did and did not do: `rows`, `flagged`, `not_scored` by reason, `events`,
        `warnings`.

    Raises:
        ConfigError: The configuration cannot be read, or `[scoring] input` is not set.
        DataError: The input cannot be used; with `[scoring] strict` also a part of it.
        UnknownModel: No registered model is there to score with.
        OutputError: The output folder cannot be written.
        DeliveryError: The database did not take what was written. The files are whole.
    """
    from aedetect.jobs.scoring import run_scoring
    from aedetect.output.partitions import Span

    span = Span(_instant(since), _instant(until))
    return run_scoring(
        _config(config),
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
) -> pd.DataFrame:
    """Read the events that scoring wrote, the most anomalous first: a row an event.

    Args:
        config: A configuration, the path of its file (`*.toml`), or the output folder.
        since: Leave out events that end before; ISO text or a datetime.
        until: Leave out events that start then or later.
        suppressed: Give suppressed events too.

    Returns:
        The columns of `events/`, as the page on the output describes them. `causes` holds a list
        of `{"feature", "share", "observed", "expected"}` for each event.

    Raises:
        NoData: Nothing is scored yet.
    """
    from aedetect.config import Config
    from aedetect.data.pandas_columns import object_column
    from aedetect.events import read_event_table
    from aedetect.output.filesystem import output_path

    is_folder = not isinstance(config, Config) and not str(config).endswith(".toml")
    output = output_path(str(config)) if is_folder else _config(config).output
    table = read_event_table(
        output, since=_instant(since), until=_instant(until), suppressed=suppressed
    )
    frame: pd.DataFrame = table.to_pandas()
    frame["causes"] = object_column(table["causes"].to_pylist())
    return frame


def _config(given: Config | str | Path) -> Config:
    from aedetect.config import Config, read_config

    return given if isinstance(given, Config) else read_config(Path(given))


def _instant(given: Time | None) -> int | None:
    """Return a time in ns since 1970; None for None."""
    from aedetect.timestamps import parse_instant

    text = given.isoformat() if isinstance(given, datetime) else given
    return parse_instant(text) if text else None


def _now() -> datetime:
    return datetime.now(tz=UTC)
