"""What MkDocs makes from the code as it builds: the page of the commands.

Run as a program, it writes what the JSON schema says of each key, from the page of the keys.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

COMMANDS = "reference/commands.md"
KEYS = Path(__file__).parent / "reference" / "configuration.md"
DESCRIPTIONS = Path(__file__).parents[1] / "aedetect" / "config" / "descriptions.json"
_HELP = re.compile(r"^## `aedetect ([\w-]+)`\n\n(.+)", re.MULTILINE)
_START = """\
# Commands

Made from the program itself: this is what `--help` of each command prints. Exit code 0 is done, 1
is refused or failed with one message that says what to do, 2 is wrong usage. `--debug` shows the
traceback. Reading commands take `--json`. Long work shows progress on a terminal and the same words
as lines, every few seconds, elsewhere. `--log FILE` before the command appends events for machines
to a file.

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


def descriptions() -> str:
    """Return what the tables of the keys say of each, as JSON: section -> key -> text."""
    told: dict[str, dict[str, str]] = {}
    sections = r"^## `\[(\w+)\]`\n(.*?)(?=^## |\Z)"
    text = KEYS.read_text(encoding="utf-8")
    for section, part in re.findall(sections, text, re.MULTILINE | re.DOTALL):
        rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line[:3] == "| `"]
        told[section] = {
            key: ". ".join([_sentence(cells[-1]), *map(_values, cells[1:-1])]) + "."
            for cells in rows
            for key in re.findall(r"\w+", cells[0])
        }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _values(cell: str) -> str:
    return f"Values: {_plain(cell)}"


def _sentence(cell: str) -> str:
    text = _plain(cell).rstrip(".")
    return text[:1].upper() + text[1:]


def _plain(cell: str) -> str:
    """Return the text of a cell without links and marks."""
    return re.sub(r"\[((?:[^\[\]]|\[\w+\])+)\]\([^)]*\)", r"\1", cell).replace("`", "")


if __name__ == "__main__":
    DESCRIPTIONS.write_text(descriptions(), encoding="utf-8")
