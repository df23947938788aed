"""Settings of the database and of notifications."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from aedetect.errors import ConfigError

Severity = Literal["info", "warning", "critical"]
# Valid without quotes in every database; the longest name must fit into PostgreSQL's 63.
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,39}")


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """A database for events and flagged rows: `[database]`."""

    url: str | None = None  # of SQLAlchemy; None: no database
    schema: str | None = None  # None: the default schema of the user
    prefix: str = "aedetect_"  # of the tables

    def __post_init__(self) -> None:
        """Raise ConfigError if a name needs quoting in some database."""
        for key, name in (("schema", self.schema), ("prefix", self.prefix)):
            if name is not None and not _IDENTIFIER.fullmatch(name):
                raise ConfigError(
                    f"[database] {key} must be small letters, digits and '_', 40 at most and no "
                    f"digit first, got {name!r}"
                )


@dataclass(frozen=True, kw_only=True)
class NotifySettings:
    """Receivers of notifications, and what is sent: `[notify]`."""

    urls: str | tuple[str, ...] = ()  # of Apprise
    min_severity: Severity = "info"
    digest: bool = False  # one message per run instead of one per event
    max_age: str = "1d"  # events that ended earlier, relative to the newest data, are not sent

    @property
    def listed(self) -> tuple[str, ...]:
        """All URLs as written, including references."""
        return (self.urls,) if isinstance(self.urls, str) else self.urls
