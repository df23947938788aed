"""The scratch folder and the record of a run, from a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aedetect.jobs.output_place import check_output
from aedetect.output import aside, written
from aedetect.output.filesystem import is_remote
from aedetect.output.scratch import sweep
from aedetect.scoring.run_log import Clock, Record, recording_run
from aedetect.scoring.summary import Command

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from aedetect.config import Config


@contextmanager
def workspace(config: Config) -> Iterator[Path]:
    """Yield a scratch folder for a run; the next run removes remains of killed ones."""
    with written(config.output):
        if not is_remote(config.output):
            config.output.mkdir(parents=True, exist_ok=True)
        sweep(config.output)
    with aside(config.output) as folder:
        yield folder


def record_run(
    config: Config,
    *,
    clock: Clock | None,
    run_id: str | None = None,
    command: Command = "score",
    started: datetime | None = None,
) -> AbstractContextManager[Record]:
    """Give what takes the summary of a run and writes its row in `runs/`; see `run_log`.

    Raises ConfigError when the output is where the input is read: not even a record goes there.
    """
    check_output(config)
    return recording_run(
        config.output,
        model=config.model_reference,
        clock=clock,
        stale_after=config.scoring.stale_after,
        run_id=run_id,
        keep=config.scoring.keep_records,
        command=command,
        started=started,
    )
