"""The last stages of a scoring run: notifications and the database."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.delivery import check_url, receivers, send_alerts, send_events, sync
from aedetect.delivery.alerts import Ended, ended_unexplained
from aedetect.delivery.database import Synced
from aedetect.jobs.report import page_path
from aedetect.logs import log_event
from aedetect.output.scratch import temporary_folder

if TYPE_CHECKING:
    from aedetect.config import Config

logger = logging.getLogger(__name__)


def check_delivery(config: Config) -> None:
    """Check URLs and secrets before anything is scored. Raises ConfigError."""
    if config.database_url is not None:
        check_url(config.database_url)
    receivers(config.notify.listed, config.notify_urls)


def notify(
    config: Config,
    *,
    config_path: str | None = None,
    alerts: Mapping[str, str] | None = None,
    ended: Ended = ended_unexplained,
) -> int:
    """Notify receivers of alerts (name -> text) and events; return the number of messages sent.

    An alert that is absent from the mapping is over, if `ended` says why it is, and that is told,
    too; without a mapping, alerts are left unchanged.
    A failing receiver is not an error. Messages name the configuration file in the label command.
    """
    to = receivers(config.notify.listed, config.notify_urls)
    if not to:
        return 0
    output, detector = config.output, config.name
    sent = 0
    if alerts is not None:
        sent = send_alerts(output, to, alerts, detector=detector, ended=ended)
    label = f"aedetect label {config_path or f'{config.name}.toml'}"
    page = page_path(config)
    with temporary_folder() as scratch:
        return sent + send_events(
            output,
            to,
            config.notify,
            detector=detector,
            label=label,
            keep=config.scoring.keep_records,
            page=None if page is None else str(page),
            draw=partial(_draw, config, scratch),
        )


def _draw(config: Config, folder: Path, event_id: str) -> Path | None:
    """Draw an event; None when that fails: a message goes out without its picture, too."""
    from aedetect.jobs.event_card import read_card, save_picture

    try:
        return save_picture(config, read_card(config, event_id), folder / f"{event_id}.png")
    except Exception as error:
        log_event(logger, "note", text=f"the picture of {event_id} could not be drawn: {error}")
        return None


def fill_database(config: Config) -> Synced | None:
    """Synchronize the database with the files; return None without a database.

    Raises DeliveryError when it is unavailable: the task retries, and so does the next run.
    """
    url = config.database_url
    if url is None:
        return None
    return sync(config.output, detector=config.name, url=url, settings=config.database)
