"""Names of runs for people: what a run is about, and at its end what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aedetect.output.partitions import name_range
from pipelines.handoff import prepare_run

FAILED = "failed"


def first_name() -> str:
    """Return the name of a flow run that begins, such as "pump, scoring".

    A configuration that cannot be read fails the run later, and is named after its file here.
    """
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    assert context is not None, "Prefect asks for the name within the context of the run"
    given = context.parameters or {}
    return begun_name(_detector(given), context.flow.name if context.flow else "run")


def begun_name(detector: str, flow: str) -> str:
    """Return the name of a run before it is known what it does."""
    return f"{detector}, {flow}"


def skipped_name(detector: str) -> str:
    """Return the name of a run whose work another one did."""
    return f"{detector}, skipped"


def _detector(given: Mapping[str, Any]) -> str:
    path = str(given.get("config_path"))
    try:
        return prepare_run(path, given.get("overrides")).config.name
    except Exception:
        return Path(path).stem


def failed_name(name: str, flow: str) -> str:
    """Return the name of a run that failed, from its name so far.

    >>> failed_name("pump 2026-04-29", "scoring"), failed_name("pump, scoring", "scoring")
    ('pump 2026-04-29, failed', 'pump, scoring failed')
    """
    return f"{name} {FAILED}" if name.endswith(f", {flow}") else f"{name}, {FAILED}"


def name_groups(parameters: Mapping[str, Any]) -> str:
    """Return the name of a task run that computes groups of partitions."""
    return name_units({"units": [unit for group in parameters["groups"] for unit in group]})


def name_units(parameters: Mapping[str, Any]) -> str:
    """Return the name of a task run that computes partitions: the first and the last of them."""
    units: Sequence[Any] = parameters["units"]
    texts = sorted(str(unit.partition) for unit in units)
    return name_range(texts[0], texts[-1]) if texts else "no partition"


def rename(name: str, *, tags: Sequence[str] = ()) -> None:
    """Rename this flow run, and tag it. A failure to do so fails no run: it is logged."""
    from prefect import get_client, get_run_logger
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    run = context.flow_run
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(run.id, name=name, tags=[*run.tags, *tags] if tags else None)
    except Exception as error:
        get_run_logger().warning("this run could not be named %r: %s", name, error)
    else:
        run.name = name
