"""What commands import: heavy libraries only where they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

NETWORK = {"torch", "mlflow", "prefect", "sqlalchemy", "sklearn", "pandas"}
ROWS = {"duckdb", "fsspec", "scipy"}
RUN = """
import sys
from aedetect.cli import main
heavy = set(sys.argv.pop().split(","))
try:
    main()
except SystemExit as ended:
    assert not ended.code
print("imported:", *sorted(heavy & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("command", "heavy"),
    [
        ("models", NETWORK | ROWS),
        ("runs", NETWORK | ROWS),
        ("flags", NETWORK | ROWS),
        ("check", NETWORK),
    ],
)
def test_commands_that_read_import_no_more_than_they_use(plant, command, heavy):
    """With a registry in SQLite and files on a disk."""
    plant.score()
    words = [command, str(plant.written()), ",".join(heavy)]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["imported:"]), done.stderr
