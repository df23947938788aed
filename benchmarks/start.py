"""Seconds that commands take on the sample: python benchmarks/start.py [--repeat 3].

Nothing is left to score, so that this is what starting costs. Wall clock and processor seconds,
those of a Prefect server that a command starts included; the median of several runs. Bytecode is
written first, as an installation has it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = (
    ("--help",),
    ("score", "--help"),
    ("flags", "demo.toml"),
    ("runs", "demo.toml"),
    ("models", "demo.toml"),
    ("check", "demo.toml"),
    ("score", "demo.toml"),
)
# One small network: what is measured does not depend on it.
QUICK = ("--set", "model.variant=linear", "--set", "calibration.shapes=0.0")


def run(words: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Run a command; return its wall clock and processor seconds."""
    own = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    places = {"PREFECT_HOME": str(folder / "prefect"), "PYTHONPYCACHEPREFIX": str(folder / "pyc")}
    begin = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "aedetect", *words],
        cwd=folder,
        env=own | places,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"aedetect {' '.join(words)} failed")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print one row per command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "demo.toml", folder)
        shutil.copytree(ROOT / "data" / "smd", folder / "data" / "smd")
        run(("train", "demo.toml", *QUICK), folder)
        run(("score", "demo.toml"), folder)
        print("command               wall s  processor s")
        for words in COMMANDS:
            run(words, folder)  # writes bytecode
            times = [run(words, folder) for _ in range(asked.repeat)]
            wall, processor = (statistics.median(each) for each in zip(*times, strict=True))
            print(f"{' '.join(words):20}  {wall:6.2f}  {processor:11.2f}", flush=True)


if __name__ == "__main__":
    main()
