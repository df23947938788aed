"""Secrets: references to the environment and to Prefect blocks, and masking in messages."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from aedetect.errors import ConfigError

ENVIRONMENT, BLOCK = "env:", "block:"
HIDDEN = "***"
_MIN_LENGTH = 3  # characters; masking shorter secrets would garble the message
_LOGIN = re.compile(r"(?P<before>\w://)(?=[^/\s])[^\s\"']*@")  # sqlite:///a@b has none
_PASSWORD = re.compile(r"\w://[^/?#\s:@]*:[^\s]+@")
_DELIMITERS = re.compile(r"[@/?#:\[\]]")  # where one parser or another ends a password
_KEY = re.compile(
    r"(?P<before>[?&;][^=&\s]*(?:password|passwd|pwd|passphrase|token|secret|api_?key|access_?key|"
    r"signature|sig)=)(?P<value>[^&;\s]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Secrets:
    """The sources that references are resolved from."""

    environment: Mapping[str, str] | None = None  # None: os.environ, at the time of resolving
    blocks: Callable[[str], str] | None = None  # block name -> value; raises KeyError

    def resolve(self, given: str, *, where: str) -> str:
        """Resolve "env:NAME" and "block:NAME"; return any other text unchanged.

        Raises ConfigError when the reference cannot be resolved.

        >>> Secrets({"DB": "sqlite:///x.db"}).resolve("env:DB", where="[database] url")
        'sqlite:///x.db'
        """
        if given.startswith(ENVIRONMENT):
            return self._of_environment(given.removeprefix(ENVIRONMENT), where=where)
        if given.startswith(BLOCK):
            return self._of_block(given.removeprefix(BLOCK), where=where)
        return given

    def _of_environment(self, name: str, *, where: str) -> str:
        environment = os.environ if self.environment is None else self.environment
        if value := environment.get(name, "").strip():
            return value
        raise ConfigError(
            f"{where} refers to the environment variable {name}, which is not set: "
            f"run `export {name}=...` before aedetect, also in the service or worker that runs it"
        )

    def _of_block(self, name: str, *, where: str) -> str:
        if self.blocks is None:
            raise ConfigError(
                f"{where} refers to the Prefect block {name}, which needs Prefect: use the "
                "command line or the flows, or give env:NAME"
            )
        try:
            value = self.blocks(name).strip()
        except KeyError:
            value = ""
        if value:
            return value
        raise ConfigError(
            f"{where} refers to the Prefect block {name}, but there is no such Secret "
            "block, or it is empty: create it in the Prefect UI under Blocks, or with "
            f"`python -c 'from prefect.blocks.system import Secret; import getpass; "
            f'Secret(value=getpass.getpass()).save("{name}", overwrite=True)\'`'
        )


def is_reference(given: str) -> bool:
    """Whether a text is a reference to a secret."""
    return given.startswith((ENVIRONMENT, BLOCK))


def is_block(given: str) -> bool:
    """Whether a text is a reference to a Prefect block."""
    return given.startswith(BLOCK)


def check_literals(sections: Mapping[str, object]) -> None:
    """Raise ConfigError when a URL in the configuration contains a password or token.

    Checks strings and lists of strings, by section and key; ignores other values.
    """
    for section, keys in sections.items():
        for key, value in keys.items() if isinstance(keys, Mapping) else ():
            for each in value if isinstance(value, list | tuple) else (value,):
                if isinstance(each, str) and (_PASSWORD.search(each) or _KEY.search(each)):
                    raise ConfigError(literal_secret_message(f"[{section}] {key}", mask(each)))


def literal_secret_message(where: str, shown: str) -> str:
    """Return the error message for a literal secret in the configuration."""
    return (
        f"{where} must not hold a password or token, got {shown}; put the URL into an "
        f"environment variable or a Prefect Secret block, and give {ENVIRONMENT}NAME or "
        f"{BLOCK}NAME (for object storage, use the credentials of its own environment)"
    )


def mask(text: str, *secrets: str) -> str:
    """Mask logins and tokens of URLs in a text, and every occurrence of the given secrets.

    Of a given URL, the secret is its password, or the whole login without one. Any other given text
    is secret as a whole.

    >>> mask("postgresql://me:p/w@db:5432/plant?sslpassword=x is away")
    'postgresql://***@db:5432/plant?sslpassword=*** is away'
    >>> mask('no such role "p@w"', "postgresql://me:p%40w@db/plant")
    'no such role "***"'
    """
    for part in sorted({part for each in secrets for part in _parts(each)}, key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    text = _LOGIN.sub(rf"\g<before>{HIDDEN}@", text)
    return _KEY.sub(rf"\g<before>{HIDDEN}", text)


def _parts(secret: str) -> set[str]:
    """Return the secret parts, both as written and URL-decoded; short ones are omitted."""
    _, separator, rest = secret.partition("://")
    login = rest.rpartition("@")[0]
    found = [login.partition(":")[2] or login] if separator else [secret]
    if separator:  # parts of a password that was not percent-encoded pass for a host or a path
        found += _DELIMITERS.split(found[0])
    found += [match["value"] for match in _KEY.finditer(secret)]
    return {each for piece in found for each in (piece, unquote(piece)) if len(each) >= _MIN_LENGTH}
