"""The command demo: training, scoring and evaluation on the shipped sample."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aedetect.registry.records import CHAMPION

if TYPE_CHECKING:
    from aedetect.config import Config

CONFIG = Path("demo.toml")
_SHOWN = 6  # events


def demo() -> None:
    """Train on the shipped sample, score it day by day, and show what was flagged."""
    from aedetect.cli.options import load_config
    from aedetect.cli.run_commands import run_training_flow
    from aedetect.cli.scoring_run import run_scoring_flow
    from aedetect.cli.show import console, print_evaluation
    from aedetect.cli.show_events import print_events
    from aedetect.cli.show_runs import print_summary
    from aedetect.data import find_files
    from aedetect.evaluation import evaluate
    from aedetect.events import read_event_table

    _place_sample(Path())
    settings = load_config(CONFIG)
    out = console()
    out.print(
        "1. Train on two weeks of three servers, one row a minute (data/smd/train.parquet)",
        style="bold",
    )
    if _is_trained(settings):
        out.print(
            f"{settings.name} is already trained on these data; retrain: aedetect train {CONFIG}"
        )
    else:
        run_training_flow(CONFIG, [], settings=settings)
    out.print("\n2. Score the days that arrived since (data/smd/incoming)", style="bold")
    print_summary(run_scoring_flow(CONFIG, [], settings=settings))
    out.print("\n3. The most anomalous events", style="bold")
    print_events(read_event_table(settings.output, suppressed=True), limit=_SHOWN)
    out.print("\n4. Evaluation against the labels", style="bold")
    source = find_files(settings.input, timestamp=settings.data.timestamp)
    print_evaluation(evaluate(source, settings.output, settings.data))
    _print_next_steps(settings)


def _place_sample(folder: Path) -> None:
    """Copy the sample from the installed package, unless the folder contains it."""
    if (folder / CONFIG).exists():
        return
    sample = Path(__file__).parents[1] / "sample"
    if not sample.is_dir():
        raise typer.BadParameter(f"run it in the repository, where {CONFIG} is")
    shutil.copytree(sample, folder, dirs_exist_ok=True)


def _is_trained(settings: Config) -> bool:
    """Whether the champion was trained with these settings on these data."""
    from aedetect import registry
    from aedetect.jobs.dataset import data_fingerprint

    versions = registry.list_versions(name=settings.name, tracking_uri=settings.tracking_uri)
    champions = [each for each in versions if CHAMPION in each.aliases]
    wanted = {"config_hash": settings.hash, "data_fingerprint": data_fingerprint(settings)}
    return any(wanted.items() <= dict(each.tags).items() for each in champions)


def _print_next_steps(settings: Config) -> None:
    from aedetect.cli.show import console, relative_location

    output, uri = relative_location(str(settings.output)), relative_location(settings.tracking_uri)
    console().print(
        "\nWhere to look next\n"
        f"  every row's verdict      {output}/scores\n"
        f"  flagged rows and causes  {output}/flagged\n"
        f"  events, a row each       {output}/events\n"
        f"  more events              aedetect flags {CONFIG} --limit 50\n"
        f"  the model in MLflow      mlflow ui --backend-store-uri {uri}\n"
        "  the runs in Prefect      prefect server start\n"
        f"  every morning at 06:15   aedetect schedule {CONFIG}"
    )
