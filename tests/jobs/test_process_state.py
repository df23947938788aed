"""Jobs that are called as a library restore the state of the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import process_state
import pytest


@pytest.mark.timeout(600)  # trains, compares and draws in a child
def test_process_is_as_before(plant):
    """Threads, environment, folder, loggers, warnings and generators; no temporary file is left."""
    temporary = plant.folder / "temporary"
    temporary.mkdir()
    dropped = ("MLFLOW_", "PYTHONSAFEPATH")  # a command line that ran in this process set them
    environment = {name: os.environ[name] for name in os.environ if not name.startswith(dropped)}
    done = subprocess.run(
        [sys.executable, process_state.__file__, plant.folder, plant.uri],
        env=environment | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        check=True,
    )
    changed = json.loads(done.stdout.splitlines()[-1])
    assert changed == {job.__name__: [] for job in process_state.JOBS}


def test_library_writes_no_environment_below_the_command_line():
    """Neither variables nor folders that last until the interpreter exits.

    But for processes that are started for the work, which end with it.
    """
    root = Path(__file__).parents[2]
    files = [*(root / "aedetect").rglob("*.py"), *(root / "pipelines").rglob("*.py")]
    own = root / "aedetect" / "execution" / "local_pool.py"
    below = [path for path in files if "cli" not in path.relative_to(root).parts and path != own]
    writes = ("os.environ[", "os.environ.setdefault", "os.environ.update", "os.putenv", "os.chdir")
    found = {
        path.name: [word for word in writes if word in path.read_text(encoding="utf-8")]
        for path in below
    }
    assert {name: words for name, words in found.items() if words} == {}
