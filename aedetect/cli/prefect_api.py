"""Choose the Prefect server of a command, in the environment of the process."""

from __future__ import annotations

import os


def use_api(api: str) -> None:
    """Make Prefect, already imported, use a server; child processes use it too."""
    from prefect.context import refresh_global_settings_context

    os.environ["PREFECT_API_URL"] = api
    refresh_global_settings_context()
