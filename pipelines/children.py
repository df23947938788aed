"""Child processes that import nothing from the working folder.

`python -m` searches for modules in the working folder first, where a user's `pipelines/` or
`json.py` would shadow the intended module. `python -P` does not, but Prefect adds the folder to
sys.path again: to migrate its database (`prepend_sys_path` in its alembic.ini), and to load a flow
by the name of its module. So imports from the folder are blocked as well.

Run by `command`: python -P -m pipelines.children MODULE [ARGUMENT...]
"""

from __future__ import annotations

import os
import runpy
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

# For children that other libraries start, such as those in which Prefect's runner runs flows.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}


class _ClosedFolder:
    """A path entry finder for a folder without modules."""

    def find_spec(self, fullname: str, target: ModuleType | None = None, /) -> ModuleSpec | None:
        """Find nothing."""


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module like `python -m`, without the working folder."""
    return [sys.executable, "-P", "-m", __name__, module, *arguments]


def close_working_folder() -> None:
    """Block imports from the working folder, unless it is already on sys.path.

    In that case the user wants it: by PYTHONPATH, or by an editable installation.
    """
    wanted = {os.path.realpath(folder) for folder in sys.path}

    def find_in(folder: str) -> _ClosedFolder:
        real = os.path.realpath(folder)
        if real in wanted or real != os.path.realpath(os.curdir):
            raise ImportError(folder)  # the usual finder is asked next
        return _ClosedFolder()

    sys.path_hooks.insert(0, find_in)


def main() -> None:
    """Run the module named by the first argument, with the remaining arguments."""
    close_working_folder()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
