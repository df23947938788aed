"""The training flow."""

from __future__ import annotations

from prefect import flow, get_run_logger

from aedetect.jobs.training import retrain_if_due, run_training
from aedetect.jobs.training_many import OneOfMany, raise_failed, train_many
from aedetect.registry import Registered, find_version
from aedetect.registry.gate_record import GATE
from aedetect.registry.records import CHAMPION
from pipelines import tasks
from pipelines.bookkeeping import guarded
from pipelines.endings import completed
from pipelines.handoff import prepare_run
from pipelines.naming import first_name, rename


@flow(
    name="training",
    flow_run_name=first_name,
    description="Trains the next version of a detector, calibrates and registers it.",
    persist_result=False,
)
@guarded
def training(
    config_path: str,
    overrides: list[str] | None = None,
    if_due: bool = False,  # noqa: FBT001, FBT002 - flow parameters are always given by name
) -> Registered | tuple[OneOfMany, ...]:
    """Train on normal data, choose the threshold that keeps the promise, register both.

    With `[detector] by` these are the detectors of all values; it fails at its end when one did.

    Args:
        config_path: The configuration of the detector: a TOML file on the machine that runs.
        overrides: Settings for this run only, such as training.epochs=50, one a line.
        if_due: Train only if age or drift still asks for it; otherwise the champion is returned.
    """
    config = prepare_run(config_path, overrides).config
    if config.detector.by is not None:
        return raise_failed(train_many([config], if_due=if_due))
    if not if_due:
        return _completed(run_training(config, stages=tasks.TRAINING)[1])
    trained = retrain_if_due(config, stages=tasks.TRAINING)
    if trained is not None:
        return _completed(trained[1])
    rename(f"{config.name}, training not due")
    champion = find_version(config.name, tracking_uri=config.tracking_uri)
    text = f"a new training is not due any more: {champion.reference} stays"
    return completed(champion, text)


@flow(
    name="training many",
    description="Trains the detectors of several configurations in parallel.",
    persist_result=False,
)
@guarded
def training_many(
    config_paths: list[str], overrides: list[str] | None = None
) -> tuple[OneOfMany, ...]:
    """Train the detectors of several configurations in parallel; one that fails fails alone.

    Args:
        config_paths: The configurations: TOML files on the machine that runs.
        overrides: Settings for this run only, such as training.epochs=50, one a line.
    """
    return train_many([prepare_run(path, overrides).config for path in config_paths])


def _completed(made: Registered) -> Registered:
    """Rename this flow run after the version, say what the gate says, and return it."""
    roles = ", ".join(made.aliases) or "no alias"
    rename(f"{made.name}, training, version {made.version} ({roles})")
    state = "scores from now on" if CHAMPION in made.aliases else "does not score yet"
    facts = [f"trained because {why}"] if (why := made.tags.get("trained_because")) else []
    facts += [words] if (words := made.tags.get(GATE)) else []
    text = "; ".join([f"{made.reference} {state}", *facts])
    get_run_logger().info(text)
    return completed(made, text)
