"""Where, beside the folders, verdicts go and who is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from aedetect.errors import ConfigError

Severity = Literal["info", "warning", "critical"]
# Quoted or not, on every database the same name; the longest one has to fit into PostgreSQL's 63.
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,39}")


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """A database that gets events and flagged rows too: `[database]`."""

    url: str | None = None  # of SQLAlchemy; None: no database
    schema: str | None = None  # None: the user's own
    prefix: str = "aedetect_"  # of the tables

    def __post_init__(self) -> None:
        """Raise ConfigError when a name is none that every database takes as it stands."""
        for key, name in (("schema", self.schema), ("prefix", self.prefix)):
            if name is not None and not _IDENTIFIER.fullmatch(name):
                raise ConfigError(
                    f"[database] {key} must be small letters, digits and '_', 40 at most and no "
                    f"digit first, got {name!r}"
                )


@dataclass(frozen=True, kw_only=True)
class NotifySettings:
    """Who is told of events, and of which: `[notify]`."""

    urls: str | tuple[str, ...] = ()  # of Apprise
    min_severity: Severity = "warning"
    digest: bool = False  # one message a run with all events, instead of one an event
    max_age: str = "1d"  # events that ended longer before the newest data are history, not news

    @property
    def listed(self) -> tuple[str, ...]:
        """All URLs as written, references among them."""
        return (self.urls,) if isinstance(self.urls, str) else self.urls
