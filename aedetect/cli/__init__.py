"""The command line. Heavy imports are inside the commands, so that `--help` is fast."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from aedetect.cli import (
    calibrate,
    compare,
    demo,
    drift,
    explain,
    export,
    feedback,
    figures,
    init,
    inspect_commands,
    read_commands,
    report,
    rewrite_commands,
    run_commands,
    serve,
    versions,
)
from aedetect.cli.typed import name_config
from aedetect.errors import AedetectError
from aedetect.logs import logged_to
from aedetect.quick_start import own_process, search_rarely
from pipelines.children import SAFE_PATH

# Defaults of libraries to turn off: telemetry, ...
PRIVATE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# ... tracebacks, which one message on stderr replaces, and progress bars.
SILENT = {
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a dead server is reported in seconds, not minutes
}

# `schedule` logs the start and end of runs.
LOGGED = {"PREFECT_LOGGING_LEVEL": "INFO"}

INTERRUPTED = 128 + 2  # exit code after Ctrl+C, as of a shell
STOPPED = "aedetect: stopped; files that are written are whole, and the next run does the rest"
_SHORT = {"check", "flags", "models", "report", "runs"}
RENAMED_OPTIONS = {"--most": "--limit"}

app = typer.Typer(
    name="aedetect",
    help="Anomaly detection for tabular time series.",
    pretty_exceptions_enable=False,
)
for command in (
    init.init,
    read_commands.check,
    run_commands.train_command,
    calibrate.calibrate,
    run_commands.score_command,
    compare.compare,
    versions.models,
    read_commands.flags,
    read_commands.runs,
    inspect_commands.config_command,
    inspect_commands.doctor,
    report.report,
    drift.drift_command,
    feedback.backtest,
    feedback.label,
    figures.figures,
    explain.explain,
    export.export,
    versions.promote,
    versions.rollback,
    rewrite_commands.clean,
    rewrite_commands.impute,
    rewrite_commands.similar,
    serve.schedule,
    serve.deploy,
    serve.trigger,
    demo.demo,
):
    # The commands train and score differ from `aedetect.train` and `aedetect.score`.
    app.command(command.__name__.removesuffix("_command"))(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("aedetect"))
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
    log: Annotated[
        Path | None, typer.Option(help="Append what happens to this file, for machines.")
    ] = None,
    show_version: Annotated[  # noqa: ARG001 - the callback answers, before a command is missed
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Anomaly detection for tabular time series."""
    if context.invoked_subcommand is None:
        from aedetect.cli.next_step import steps_text

        typer.echo(steps_text() if not list(Path().glob("*.toml")) else context.get_help())
        raise typer.Exit
    if log is not None:
        context.with_resource(logged_to(log))
    if context.invoked_subcommand in _SHORT:
        search_rarely()
    served = context.invoked_subcommand == serve.schedule.__name__
    for name, value in (LOGGED if served else {} if debug else SILENT).items():
        os.environ.setdefault(name, value)
    for name, value in (PRIVATE | SAFE_PATH).items():
        os.environ.setdefault(name, value)


def main() -> None:
    """Run the command line; turn an error into one message and exit code 1."""
    own_process()
    words = sys.argv[1:]
    _refuse_renamed(words)
    debug = ["--debug"] if "--debug" in words else []  # in any position
    try:
        app(args=debug + [word for word in words if word != "--debug"])
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo(STOPPED, err=True)
        raise
    except KeyboardInterrupt:
        typer.echo(STOPPED, err=True)
        sys.exit(INTERRUPTED)
    except AedetectError as error:
        _fail(error, str(error))
    except Exception as error:
        said = f"unexpected {type(error).__name__}: {error} (aedetect --debug ... shows where)"
        _fail(error, said)


def _refuse_renamed(words: list[str]) -> None:
    for word in words:
        option = word.partition("=")[0]
        if new := RENAMED_OPTIONS.get(option):
            typer.echo(f"aedetect: {option} was renamed: use {new}", err=True)
            sys.exit(2)


def _fail(error: Exception, message: str) -> NoReturn:
    if "--debug" in sys.argv:
        raise error
    _let_go(error)
    said = name_config(message.replace(f"{Path.cwd()}/", ""))  # as it was typed
    typer.echo(f"aedetect: {said}", err=True)
    sys.exit(1)


def _let_go(error: BaseException | None) -> None:
    """Empty the frames of an error and drop its causes: Prefect keeps it to the end.

    DuckDB complains in many lines of each connection and error of its own that is left then.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        cause = error.__cause__ or error.__context__
        error.__cause__ = error.__context__ = None
        error = cause
