"""A scoring run of a command: planned first, then in this process or as a flow."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from aedetect.cli.prefect_api import prefect_server
from aedetect.errors import AedetectError
from aedetect.quick_start import forgo_pandas, unsearched

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.scoring import Model, Summary
    from pipelines.handoff import Prepared


def run_scoring_flow(
    config: Path,
    overrides: list[str],
    *,
    settings: Config,
    model: Model | None = None,
    since: str | None = None,
    until: str | None = None,
    rescore: bool = False,
    force: bool = False,
    what_if: bool = False,
) -> Summary:
    """Run the scoring flow, with settings read from file and overrides; return its summary.

    A given model is not resolved again. With `what_if`, no one is notified. With nothing to
    compute, no server is started for the flow.
    """
    from aedetect.cli.options import load_span
    from aedetect.cli.progress import progress, step
    from pipelines.handoff import Prepared

    with (
        progress(f"scoring with {settings.model_reference}"),
        _starting_early(settings, anew=(rescore or force) and since is until is None),
    ):
        with unsearched():
            from pipelines.idle import needs_blocks, plan_ahead, run_idle
            from pipelines.named_server import named_server

        given = Prepared(
            config_path=str(config), overrides=tuple(overrides), config=settings, model=model
        )
        if not needs_blocks(settings):  # which are kept by the server that is to be started
            given = replace(given, model=_resolved(given))
            step("looking for new and changed files")
            span = load_span(settings, since, until)
            with unsearched():  # what a plan makes stays
                found = _resolved(given)
                ahead = plan_ahead(settings, found, span=span, rescore=rescore, force=force)
            # Those who run a Prefect server see every run there.
            if ahead is not None and ahead.idle and named_server() is None:
                return run_idle(settings, ahead.job, config_path=str(config), what_if=what_if)
            given = replace(given, job=None if ahead is None else ahead.job)
        from pipelines.ahead import computing_ahead

        flow = partial(_call_flow, given)
        with computing_ahead(settings, given.job, what_if=what_if):
            return flow(since=since, until=until, rescore=rescore, force=force, what_if=what_if)


def _starting_early(settings: Config, *, anew: bool) -> AbstractContextManager[None]:
    """Start processes that will compute, if much input is new, or any is computed `anew`."""
    with unsearched():
        forgo_pandas()
        from aedetect.execution.early_processes import starting_early
        from aedetect.output.filesystem import is_remote
        from aedetect.scoring.input_cache import looked_at

    with suppress(AedetectError):  # a wrong setting is told where it is needed
        output, given = settings.output, settings.scoring
        if given.input and given.executor == "local" and not is_remote(output):
            return starting_early(settings.input, since=None if anew else looked_at(output))
    return nullcontext()


def _resolved(given: Prepared) -> Model:
    """Resolve the model, unless it is: an unknown one fails before anything is started."""
    from aedetect.cli.progress import step
    from aedetect.jobs.scoring import resolve_model

    if given.model is not None:
        return given.model
    step(f"asking the registry for {given.config.model_reference}")
    return resolve_model(given.config)


def _call_flow(given: Prepared, **parameters: Any) -> Summary:
    """Call the scoring flow in this process, on a server that is started unless there is one."""
    from aedetect.cli.progress import step
    from pipelines.handoff import passing_on

    with prefect_server() as ready:
        step("starting Prefect")
        with unsearched():  # imported while the server starts
            from pipelines.scoring import scoring

        ready()
        with passing_on(replace(given, model=_resolved(given))):
            done = scoring(given.config_path, list(given.overrides), **parameters)
            return cast("Summary", done)  # that of a configuration without `by`
