"""Write the prefect.yaml that deploys detectors to a work pool."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aedetect.errors import OutputError, ServerError
from pipelines.children import SAFE_PATH, command
from pipelines.deployments import Deployment, deployments
from pipelines.lost_runs import HEARTBEAT, TAG
from pipelines.server import await_api, found_server

_MARK = "# Written by `aedetect deploy`"
_HEAD = f"""{_MARK}, which replaces the entries of the detectors it is given.
# Nothing is pulled: workers need aedetect installed, and the configuration and what it names at the
# same paths as here, for example on a shared file system. To deploy, in a folder without a
# pipelines/ of its own, which Prefect would import:
#     prefect --no-prompt deploy --all --prefect-file {{path}}
"""


def write_manifest(
    configs: Sequence[Path], path: Path, *, pool: str, force: bool = False
) -> list[str]:
    """Write scoring and training of each configuration as deployments; return their names.

    Entries of other detectors in a file written by this function are kept. Raises ConfigError for
    errors that every run would raise, and OutputError for a foreign file, unless `force`.
    """
    import yaml

    written = [_entry(each, pool=pool) for each in deployments(configs, scheduled=False)]
    kept = [] if force else _others(path, [_name(entry) for entry in written])
    document = {"name": "aedetect", "pull": [], "deployments": kept + written}
    text = _HEAD.format(path=path) + "\n" + yaml.safe_dump(document, sort_keys=False)
    aside = path.with_name(f".{path.name}.aside")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror}): name another file with --to"
        ) from error
    return [_name(entry) for entry in written]


def apply_manifest(path: Path) -> None:
    """Deploy a manifest with the command of Prefect. Raises ServerError."""
    with found_server() as api:
        await_api()
    done = subprocess.run(  # noqa: S603 - the command is written here
        command("prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)),
        env=os.environ | SAFE_PATH | {"PREFECT_LOGGING_LEVEL": "ERROR", "PREFECT_API_URL": api},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ServerError(
            f"`prefect deploy --all` did not take {path}: {lines[-1] if lines else 'no message'}; "
            "create the work pool first: prefect work-pool create NAME --type process"
        )


def _entry(each: Deployment, *, pool: str) -> dict[str, Any]:
    """Return the entry of a deployment in prefect.yaml."""
    return {
        "name": each.detector,
        "entrypoint": each.entrypoint,
        "description": each.description,
        "tags": [TAG],
        "parameters": each.parameters,
        "schedules": [{"cron": each.cron, "timezone": each.timezone}] if each.cron else [],
        # As when served: one run at a time, further runs wait.
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "work_pool": {
            "name": pool,
            "job_variables": {
                "env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT), **SAFE_PATH}
            },
        },
    }


def _name(entry: Mapping[str, Any]) -> str:
    """Return the name of a deployment in Prefect."""
    flow = str(entry.get("entrypoint", "")).rpartition(".")[2]
    return f"{flow}/{entry.get('name')}"


def _others(path: Path, replaced: Sequence[str]) -> list[dict[str, Any]]:
    """Return the other entries of a file written here; raise OutputError for a foreign file."""
    import yaml

    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.startswith(_MARK):
        raise OutputError(
            f"{path} was not written by `aedetect deploy`, and stays: name another file with --to, "
            "or replace it with --force"
        )
    try:
        entries = yaml.safe_load(text)["deployments"]
        return [entry for entry in entries if _name(entry) not in replaced]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{path} cannot be read as a prefect.yaml ({error}): correct it, or replace it with "
            "--force"
        ) from error
