"""Faults for the tests: kills, locks, full disks; and functions to inspect the output."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from plant import contents

if TYPE_CHECKING:
    from aedetect.events.labels import LabelName

OWN = ("withdrawn", "runs", ".cache")  # of the output: records of runs, which may be lost

# Forked from a process that has imported everything, so that a run starts at once.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["aedetect.jobs.scoring", "aedetect.jobs.training", "mlflow", "torch"])


def pure(output: Path) -> dict[str, bytes]:
    """Return the files that are a function of input and model alone, with their bytes."""
    return {
        name: content
        for name, content in contents(output).items()
        if Path(name).parts[0] not in OWN
    }


def start(target: Callable[..., None], *arguments: object) -> multiprocessing.Process:
    """Start a function of this module in its own process."""
    process = FORKS.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def kill_after(process: multiprocessing.Process, seconds: float) -> None:
    """Kill a process, unless it ends before."""
    process.join(seconds)
    process.kill()
    process.join()


def load() -> None:
    """Do nothing: everything is loaded on import."""


def score(config: Path, output: str) -> None:
    """Score new input into an output."""
    from aedetect.config import read_config
    from aedetect.jobs import scoring

    scoring.run_scoring(read_config(config, [f"scoring.output={output}"]))


def score_until_events(config: Path, output: str, files: int) -> None:
    """Score new input, and be killed when some files of events are published."""
    from aedetect.events import formation

    publish = formation.publish_all

    def publish_some(moves: list[tuple[Path, Path]]) -> None:
        publish(moves[:files])
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(formation, "publish_all", publish_some)  # noqa: B010 - mypy knows it as a function
    score(config, output)


def score_all(config: Path, output: str) -> None:
    """Score everything again into an output."""
    from aedetect.config import read_config
    from aedetect.jobs import scoring

    scoring.run_scoring(read_config(config, [f"scoring.output={output}"]), force=True)


def score_with_few_handles(config: Path, output: str) -> None:
    """Score with at most 128 open files."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    score(config, output)


def train(config: Path) -> None:
    """Train and register."""
    from aedetect.config import read_config
    from aedetect.jobs import training

    training.run_training(read_config(config))


def calibrate(config: Path, method: str) -> None:
    """Add a calibration by a method."""
    from aedetect.config import read_config
    from aedetect.jobs.recalibration import recalibrate

    recalibrate(read_config(config, [f"calibration.threshold={method}"]))


def label(config: Path, event: str, opinion: LabelName) -> None:
    """Label an event."""
    from aedetect.config import read_config
    from aedetect.events import label_events

    output, now = read_config(config).output, "2026-01-06T00:00:00+00:00"
    label_events(output, [event], opinion=opinion, note=None, now=now)


def score_and_deliver(config: Path, database: str) -> None:
    """Score new input, notify and bring the database, whose URL the configuration refers to, up."""
    os.environ["DATABASE"] = database
    from aedetect.config import read_config
    from aedetect.jobs import scoring

    scoring.run_scoring(read_config(config))


def keep_replacing(place: Path, others: list[Path]) -> None:
    """Replace a file by one content after the other, until killed."""
    new = place.with_name("new")  # not listed as a Parquet file
    while True:
        for other in others:
            new.write_bytes(other.read_bytes())
            new.replace(place)
            time.sleep(0.01)


def hold(database: Path, seconds: float, mark: Path) -> None:
    """Hold an exclusive lock on a SQLite database; the mark appears when it is held."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        mark.touch()
        time.sleep(seconds)


@contextmanager
def held(database: Path, *, seconds: float) -> Iterator[None]:
    """Let another process lock a SQLite database for some seconds, or until the body ends."""
    mark = database.with_suffix(".held")
    other = start(hold, database, seconds, mark)
    while not mark.exists():
        time.sleep(0.01)
    try:
        yield
    finally:
        kill_after(other, 0)
        mark.unlink()


@contextmanager
def disk(folder: Path, *, size: str) -> Iterator[None]:
    """Mount a small file system; raises PermissionError if not permitted."""
    folder.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path, *, leaving: int = 0) -> Iterator[None]:
    """Fill the disk of a folder, except for some bytes."""
    filler = folder / "filler.bin"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(1 << 12))
        except OSError:
            stream.truncate(stream.tell() - leaving)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only; for root, who ignores permission bits, by a mount."""
    if os.geteuid():
        paths = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for path in paths:
            path.chmod(0o555)
        yield
        for path in paths:
            path.chmod(0o755)
        return
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(done.stderr.strip())
