"""Who acts, and with which code: for the history of promotions and the tags of a version."""

from __future__ import annotations

import getpass
import json
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_SECONDS = 5.0  # that git may take


def who_acts() -> str:
    """Return the user of the process and its machine: "ada@server"."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may have no name for its user
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


@cache
def code_version() -> str:
    """Return the installed version, and the commit where the installation knows one.

    It does when pip installed it from a repository or from a checkout: `direct_url.json`, see
    https://packaging.python.org/specifications/direct-url/.
    """
    try:
        installed = distribution("aedetect")
    except PackageNotFoundError:
        return "unknown"
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    commit = origin.get("vcs_info", {}).get("commit_id", "")[:12]
    if origin.get("dir_info", {}).get("editable"):
        commit = _described(Path(url2pathname(urlsplit(origin["url"]).path)))
    return f"{installed.version}+{commit}" if commit else installed.version


def _described(checkout: Path) -> str:
    """Return the commit of a checkout, with "-dirty" if files were changed; "" when unknown."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(  # noqa: S603 - the folder that pip installed from
            [*command, "--match="], capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
