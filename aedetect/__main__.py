"""Run the command line: `python -m aedetect`."""

import sys
from pathlib import Path

# `python -m` looks for modules in the working folder first: a `pipelines/` there is not ours.
if not sys.flags.safe_path and Path(sys.path[0]).resolve() != Path(__file__).resolve().parents[1]:
    del sys.path[0]

from aedetect.cli import main

if __name__ == "__main__":
    main()
