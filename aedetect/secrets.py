"""Secrets stand outside of the configuration: references to them, and messages without them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from aedetect.errors import ConfigError

ENVIRONMENT, BLOCK = "env:", "block:"
HIDDEN = "***"
_SHORTEST = 3  # characters: hiding shorter ones would garble the message
_LOGIN = re.compile(r"(?P<before>\w://)(?=[^/\s])[^\s\"']*@")  # sqlite:///a@b has none
_PASSWORD = re.compile(r"\w://[^/?#\s:@]*:[^\s]+@")
_KEY = re.compile(
    r"(?P<before>[?&;][^=&\s]*(?:password|passwd|pwd|passphrase|token|secret|api_?key|access_?key|"
    r"signature|sig)=)(?P<value>[^&;\s]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Secrets:
    """Where references lead."""

    environment: Mapping[str, str] | None = None  # None: that of the process, when it is asked
    blocks: Callable[[str], str] | None = None  # a block's name -> what it holds; raises KeyError

    def resolve(self, given: str, *, where: str) -> str:
        """Return what "env:NAME" or "block:NAME" stands for, and any other text as it is.

        Raises ConfigError when it stands for nothing.

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
            f"{where} is to be read from the environment variable {name}, but it is not set: "
            f"run `export {name}=...` before aedetect, in the service or worker that runs it too"
        )

    def _of_block(self, name: str, *, where: str) -> str:
        if self.blocks is None:
            raise ConfigError(
                f"{where} is to be read from the Prefect block {name}, but Prefect has no part "
                "in this: use the command line or the flows, or give env:NAME"
            )
        try:
            value = self.blocks(name).strip()
        except KeyError:
            value = ""
        if value:
            return value
        raise ConfigError(
            f"{where} is to be read from the Prefect block {name}, but there is no such Secret "
            "block, or it is empty: make it in Prefect's UI under Blocks, or by "
            f"`python -c 'from prefect.blocks.system import Secret; import getpass; "
            f'Secret(value=getpass.getpass()).save("{name}", overwrite=True)\'`'
        )


def is_reference(given: str) -> bool:
    """Whether a text stands for a secret that is kept elsewhere."""
    return given.startswith((ENVIRONMENT, BLOCK))


def is_block(given: str) -> bool:
    """Whether a text stands for a secret that Prefect keeps."""
    return given.startswith(BLOCK)


def check_literals(sections: Mapping[str, object]) -> None:
    """Raise ConfigError when a URL among the values of a configuration brings its password along.

    Values are texts and lists of them, by section and key; anything else is passed over.
    """
    for section, keys in sections.items():
        for key, value in keys.items() if isinstance(keys, Mapping) else ():
            for each in value if isinstance(value, list | tuple) else (value,):
                if isinstance(each, str) and (_PASSWORD.search(each) or _KEY.search(each)):
                    raise ConfigError(reference_or_text(f"[{section}] {key}", mask(each)))


def reference_or_text(where: str, shown: str) -> str:
    """Say what is wrong with a secret in the configuration, and what to do."""
    return (
        f"{where} must not hold a password or token, got {shown}; put the URL into an "
        f"environment variable or a Prefect Secret block, and give {ENVIRONMENT}NAME or "
        f"{BLOCK}NAME (of files, let their store take the login from its own environment)"
    )


def mask(text: str, *secrets: str) -> str:
    """Hide the logins and tokens of the URLs in a text, and the secrets of those given wherever.

    Of a URL that is its password, or its login where it has only one part; any other text is a
    secret as a whole.

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
    """Return what is secret of it, as written and as meant; no short words."""
    _, separator, rest = secret.partition("://")
    login = rest.rpartition("@")[0]
    found = [login.partition(":")[2] or login] if separator else [secret]
    found += [match["value"] for match in _KEY.finditer(secret)]
    return {each for piece in found for each in (piece, unquote(piece)) if len(each) >= _SHORTEST}
