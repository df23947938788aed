"""Settings of the page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """The page that is written after every scheduled run: `[report]`."""

    to: str | None = None  # folder; None: no page is written after a run
    days: int = 30  # up to the newest scored row, unless --since is given

    def __post_init__(self) -> None:
        """Raise ConfigError for a page of no days."""
        if self.days < 1:
            from aedetect.errors import ConfigError

            raise ConfigError(f"[report] days must be 1 or more, got {self.days}")
