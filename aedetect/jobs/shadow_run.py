"""The part of a scoring run in which a challenger scores beside the champion."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from aedetect.errors import AedetectError
from aedetect.jobs import shadow
from aedetect.jobs.gate import settle_challenger
from aedetect.logs import log_event

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.output.partitions import Span
    from aedetect.scoring import Summary

logger = logging.getLogger(__name__)


class ScoreWith(Protocol):
    """Scores with other settings, without notifying anyone."""

    def __call__(self, config: Config, *, span: Span) -> Summary:
        """Return the report of the run."""


def follow_shadow(config: Config, score: ScoreWith) -> Summary | None:
    """Score with the challenger that is in shadow, and decide when its time is over.

    None when there is none. A failure is logged: the verdicts of the champion do not depend on it.
    """
    try:
        version = shadow.in_shadow(config)
        if version is None or not shadow.has_begun(config, version):
            return None
        mine = shadow.shadow_config(config, version.version)
        summary = score(mine, span=shadow.shadow_span(config, version))
        if shadow.is_over(config, version):
            settle_challenger(config, version)
    except AedetectError as error:
        log_event(logger, "shadow failed", because=error)
        return None
    return summary
