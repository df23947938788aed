"""URLs of databases and servers: what cannot be meant is refused before anyone waits for it.

No message repeats the URL: where it was written wrongly, a part of the password passes for the
host.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aedetect.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import URL

_LAST_PORT = 65_535
# Names, IPv4 and IPv6 addresses, several of them, and folders of sockets.
_HOST = re.compile(r"[\w.,:%/-]*")
_ENCODED = (
    "in the user and the password write %40 for @, %2F for /, %3A for :, %23 for #, %3F for ? "
    "and %25 for %"
)


def parse_database_url(url: str, *, where: str, example: str) -> URL:
    """Parse the URL of a database; raise ConfigError when it is none, or no server can be there.

    SQLAlchemy ends the password at the first "@", others at the last: only one is taken.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # its message may hold the password
        raise ConfigError(
            f"{where} must be a URL of SQLAlchemy, got something else: write for example {example}"
        ) from None
    if parsed.drivername.startswith("sqlite"):
        return parsed
    if url.partition("?")[0].count("@") > 1 or not _HOST.fullmatch(parsed.host or ""):
        raise ConfigError(
            f"{where} must have one @, before the host, got another one or no name of a host: "
            f"{_ENCODED}"
        )
    _check_port(parsed.port, where=where)
    return parsed


def check_server_url(url: str, *, where: str) -> None:
    """Raise ConfigError when no server can be at an address http(s)://."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # its message may hold the password
        raise ConfigError(
            f"{where} must be a URL such as http://host:5000, got a port that is no number up to "
            f"{_LAST_PORT} or a host that is none; {_ENCODED}"
        ) from None
    if not host or "@" in parts.path + parts.query + parts.fragment:
        raise ConfigError(f"{where} must name a host, got none before the first /; {_ENCODED}")
    _check_port(port, where=where)


def check_driver(url: URL, *, where: str, remedy: str) -> None:
    """Raise ConfigError when the driver of a database is not installed, or not for us."""
    from sqlalchemy.exc import NoSuchModuleError

    name = url.drivername
    plain = f"write {name.partition('+')[0]}:// without a driver"
    try:
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except (ImportError, NoSuchModuleError) as error:
        todo = plain if name.startswith("sqlite") else remedy
        raise ConfigError(f"{where} needs the driver {name} ({error}); {todo}") from error
    if dialect.is_async:
        raise ConfigError(
            f"{where} must name a driver that is not asynchronous, got {name}: {plain}"
        )


def _check_port(port: int | None, *, where: str) -> None:
    if port is not None and not 0 < port <= _LAST_PORT:
        raise ConfigError(f"{where} must have a port from 1 to {_LAST_PORT}, got {port}")
