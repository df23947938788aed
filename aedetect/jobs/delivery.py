"""The stages of a scoring run that come after its files: people are told, a database is filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aedetect.delivery import check_url, receivers, send_alerts, send_events, sync
from aedetect.delivery.database import Synced

if TYPE_CHECKING:
    from aedetect.config import Config


def check_delivery(config: Config) -> None:
    """Raise ConfigError when a secret or a URL is missing or wrong, before anything is scored."""
    if config.database_url is not None:
        check_url(config.database_url)
    receivers(config.notify.listed, config.notify_urls)


def notify(
    config: Config, *, config_path: str | None = None, alerts: Mapping[str, str] | None = None
) -> int:
    """Tell people of alerts, given as name -> text, and of events; return the messages sent.

    An alert that is not given is over; without a mapping nothing is said or known of alerts.
    No receiver makes it fail. Messages name the configuration's file, so that people can answer.
    """
    people = receivers(config.notify.listed, config.notify_urls)
    if not people:
        return 0
    output, detector = config.output, config.name
    told = 0 if alerts is None else send_alerts(output, people, alerts, detector=detector)
    label = f"aedetect label {config_path or f'{config.name}.toml'}"
    return told + send_events(
        output,
        people,
        config.notify,
        detector=detector,
        label=label,
        keep=config.scoring.keep_records,
    )


def fill_database(config: Config) -> Synced | None:
    """Bring the database up to the files; None when there is none.

    Raises DeliveryError when it is away: the task tries again, and so does the next run.
    """
    url = config.database_url
    if url is None:
        return None
    return sync(config.output, detector=config.name, url=url, settings=config.database)
