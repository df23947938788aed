"""Start a training that a scoring run found due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.runtime import deployment

from aedetect.jobs.retraining import RetrainingDue, suggest_training
from pipelines.triggering import start_run

if TYPE_CHECKING:
    from aedetect.config import Config


def start_training(config: Config, due: RetrainingDue) -> str:
    """Start the training of a served or deployed detector; return what to say about it.

    A run that no deployment started, such as that of `aedetect score`, starts none. Asked again
    for the same data, such as by the next run while the training waits, nothing is started.
    """
    if deployment.get_id() is None:
        return suggest_training(config, due)
    key = f"aedetect-training-{config.name}-{due.newest}"
    run = start_run(config.name, flow="training", parameters={"if_due": True}, once=key)
    return f"{due.text}: {run.name} does it"
