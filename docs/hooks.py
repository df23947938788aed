"""What MkDocs makes from the code as it builds: the page of the commands."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

COMMANDS = "reference/commands.md"
_HELP = re.compile(r"^## `aedetect ([\w-]+)`\n\n(.+)", re.MULTILINE)
_START = """\
# Commands

Made from the program itself: this is what `--help` of each command prints. Exit code 0 is done, 1
is refused or failed with one message that says what to do, 2 is wrong usage. `--debug` shows the
traceback. Reading commands take `--json`. Long work shows progress on a terminal and plain lines
in a log.

"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of the commands, as MkDocs collects its pages."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, COMMANDS, content=commands_page()))
    return files


def commands_page() -> str:
    """Return the reference of the command line as Markdown; Typer has a command for that."""
    asked = [sys.executable, "-m", "typer", "aedetect.cli", "utils", "docs", "--name", "aedetect"]
    made = subprocess.run(asked, check=True, capture_output=True, text=True, encoding="utf-8")  # noqa: S603 - no input of others
    _title, text = made.stdout.split("\n", 1)
    # Typer's own list of commands cuts their help short.
    text = re.sub(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+", "", text, count=1)
    listed = "\n".join(
        f"| [`{name}`](#aedetect-{name}) | {help_text} |" for name, help_text in _HELP.findall(text)
    )
    text = text.replace("```console\n$ ", "```text\n").strip()
    return f"{_START}| command | what it does |\n|---|---|\n{listed}\n\n{text}\n"
