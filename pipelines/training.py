"""The training flow."""

from __future__ import annotations

from prefect import flow, get_run_logger

from aedetect.jobs.training import retrain_if_due, run_training
from aedetect.registry import Registered, find_version
from aedetect.registry.gate_record import GATE
from aedetect.registry.records import CHAMPION
from pipelines import tasks
from pipelines.bookkeeping import guarded
from pipelines.handoff import prepare_run


@flow(name="training", persist_result=False)
@guarded
def training(
    config_path: str,
    overrides: list[str] | None = None,
    if_due: bool = False,  # noqa: FBT001, FBT002 - flow parameters are always given by name
) -> Registered:
    """Train on normal data, choose the threshold that keeps the promise, register both.

    With `if_due` only if age or drift still asks for it; otherwise the champion is returned.
    """
    config = prepare_run(config_path, overrides).config
    if not if_due:
        return _told(run_training(config, stages=tasks.TRAINING)[1])
    trained = retrain_if_due(config, stages=tasks.TRAINING)
    if trained is None:
        get_run_logger().info("a new training is not due any more")
        return find_version(config.name, tracking_uri=config.tracking_uri)
    return _told(trained[1])


def _told(made: Registered) -> Registered:
    """Log why a version was trained, and what the gate says of it."""
    state = "scores from now on" if CHAMPION in made.aliases else "does not score yet"
    facts = [f"trained because {why}"] if (why := made.tags.get("trained_because")) else []
    facts += [words] if (words := made.tags.get(GATE)) else []
    get_run_logger().info("; ".join([f"{made.reference} {state}", *facts]))
    return made
