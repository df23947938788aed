"""The one command that makes sense next, at the end of a command; the steps for who begins."""

from __future__ import annotations

import shlex
from pathlib import Path

from aedetect.cli.show import console

STEPS = (
    ("init DATA", "look at Parquet, CSV or JSON lines, and write a commented configuration"),
    ("check CONFIG", "what training and scoring take, treat specially or refuse"),
    ("train CONFIG", "learn what is normal, set the threshold, register the detector"),
    ("score CONFIG", "judge every row; events with the columns to blame"),
)


def print_next(command: str, config: Path, why: str) -> None:
    """Print the next command for a configuration."""
    console().print(
        f"next: aedetect {command} {shlex.quote(str(config))}   # {why}", soft_wrap=True
    )


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
