"""The one command that makes sense next, at the end of a command; the steps for who begins."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.cli.show import console
from aedetect.cli.typed import settings_kept

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.jobs.check import Checked
    from aedetect.registry import Registered
    from aedetect.scoring import Summary

STEPS = (
    ("init DATA", "look at files, write a commented configuration"),
    ("check CONFIG", "what training and scoring will take or refuse"),
    ("train CONFIG", "learn what is normal, set the threshold"),
    ("score CONFIG", "judge every row; events with the columns to blame"),
)


def print_next(
    command: str, config: Path, why: str, *, more: str = "", word: str = "next:"
) -> None:
    """Print the next command for a configuration."""
    words = f"aedetect {command} {shlex.quote(str(config))}{more}{settings_kept()}"
    console().print(f"{word.ljust(5)} {words}   # {why}", soft_wrap=True)


def print_after_check(config: Path, checked: Checked) -> None:
    """Print what follows a check: a correction, or the training."""
    if checked.grade == "refuse":
        print_next("check", config, "again, once the lines marked refuse are mended")
    else:
        print_next("train", config, "learn what is normal, and set the threshold")


def print_after_training(config: Path, settings: Config, trained: Registered) -> None:
    """Print what follows a training: scoring, or the promotion of a challenger."""
    if "champion" not in trained.aliases:
        version = f" {trained.version}"
        print_next("promote", config, "compare with the champion, let it score", more=version)
    elif settings.scoring.input:
        print_next("score", config, "judge every row of [scoring] input")
    else:
        print_next("check", config, "once [scoring] input names the data to score")


def print_after_scoring(config: Path, summary: Summary, *, first: str | None) -> None:
    """Print what follows a scoring run: all events and the first of them, or a schedule."""
    if any(summary.events.values()):
        print_next("flags", config, "all events, the most anomalous first")
        print_about(config, first)
    else:
        print_next("schedule", config, "score on a schedule: [scoring] schedule")


def print_about(config: Path, event_id: str | None) -> None:
    """Print what one does about an event."""
    if event_id is not None:
        print_next("report", config, "one page: when, where, and which columns over time")
        asked = f" {event_id} --false-alarm"
        print_next("label", config, "or --confirmed", more=asked, word="or:")


def steps_text() -> str:
    """Return the four steps from data to verdicts."""
    width = max(len(command) for command, _ in STEPS)
    lines = [f"  aedetect {command.ljust(width)}   {why}" for command, why in STEPS]
    return "\n".join(
        [
            "From data to verdicts:",
            *lines,
            "Without data: aedetect demo. All commands: aedetect --help",
        ]
    )
