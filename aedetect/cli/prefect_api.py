"""Which Prefect server a command uses: set here, at the edge, in the environment of the process."""

from __future__ import annotations

import os


def use_api(api: str) -> None:
    """Make Prefect, which is imported by now, use a server; child processes use it too."""
    from prefect.context import refresh_global_settings_context

    os.environ["PREFECT_API_URL"] = api
    refresh_global_settings_context()
