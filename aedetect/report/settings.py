"""Settings of the page."""

from __future__ import annotations

from dataclasses import dataclass

from aedetect.errors import ConfigError
from aedetect.timestamps import parse_duration


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """The page that is written after every scheduled run: `[report]`."""

    to: str | None = None  # folder; None: no page is written after a run
    days: int = 30  # up to the newest scored row, unless --since is given
    forewarning: str = "1d"  # before a labelled anomaly, in which an event foretells it

    def __post_init__(self) -> None:
        """Raise ConfigError for a page of no days, and for a place that is no folder here."""
        if self.to is not None and "://" in self.to:
            raise ConfigError(
                f"[report] to must be a folder of this machine, got {self.to}: write the page into "
                "a folder and copy it from there"
            )
        parse_duration(self.forewarning)
        if self.days < 1:
            raise ConfigError(f"[report] days must be 1 or more, got {self.days}")
