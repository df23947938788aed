"""The long loop, through the real commands: make soak, with SOAK_ARGS=--help for its parts.

Each part prints what was done and what it took, and raises when a promise is broken.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import duckdb
import harm
import kills as other_kills
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_kills import cluster_kills
from plant import DAYS, Plant, faulty_table, settings, table, write, write_config
from postgres import postgres_server

from aedetect import registry
from aedetect.config import make_config
from aedetect.errors import AedetectError
from aedetect.jobs import training

SEED = 20260103
MEGABYTES = 1500  # of all processes of `aedetect score`, its Prefect server included
PATIENCE = 60  # seconds after which waiting for a registry ends
BIG_FEATURES = 8


@dataclass(frozen=True)
class Done:
    """The cost of a command, and its last line on stderr."""

    code: int
    seconds: float
    megabytes: float  # peak of the process and its children
    said: str


def command(folder: Path, *words: str) -> list[str]:
    """Return a command line of aedetect for the configuration of a folder."""
    return [sys.executable, "-m", "aedetect", words[0], str(folder / "plant.toml"), *words[1:]]


def run(words: Sequence[str]) -> Done:
    """Run a command, and sample its memory ten times a second."""
    begin, most = time.monotonic(), 0.0
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said) as process:
            while process.poll() is None:
                most = max(most, sum(map(resident, family(process.pid))))
                time.sleep(0.1)
        said.seek(0)
        lines = [line for line in said.read().splitlines() if line]
    last = next((line for line in lines if line.startswith("aedetect:")), "".join(lines[-1:]))
    return Done(process.returncode, time.monotonic() - begin, most, last)


def lines_of(words: Sequence[str]) -> list[str]:
    """Run a command and return what it logs."""
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    check(done.returncode == 0, f"an undisturbed run succeeds: {done.stderr}")
    return done.stderr.splitlines()


def killed(words: Sequence[str], *, lines: int, seconds: float) -> None:
    """Run a command, and kill it some seconds after it has logged some lines."""
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        for _ in range(lines):
            process.stderr.readline()
        time.sleep(seconds)
        process.kill()
        process.stderr.read()


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = each.read_text().split()
        except OSError:
            continue
        found += [below for child in children for below in family(int(child))]
    return found


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    kilobytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return int(kilobytes[0]) / 1024 if kilobytes else 0.0


def check(kept: bool, promise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise when a promise is broken."""
    if not kept:
        raise SystemExit(f"BROKEN: {promise}")


def report(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - the report


def prepared(folder: Path) -> Plant:
    """Train a detector and write three days of input."""
    write(table("2026-01-01", days=2), folder / "train.parquet")
    training.run_training(make_config(settings(), folder=folder))
    for day in DAYS:
        rows = faulty_table(day) if day == DAYS[1] else table(day)
        write(rows, folder / "incoming" / f"{day}.parquet")
    plant = Plant(folder=folder, uri=f"sqlite:///{folder}/mlruns/mlflow.db")
    plant.written(partition="hour")
    return plant


def kills(plant: Plant, *, count: int) -> None:
    """Kill `aedetect score` at random times; the next run must equal an undisturbed one.

    Every other run scores everything again, and begins with a corrected day.
    """
    output, corrected = plant.output, plant.incoming / "2026-01-03.parquet"
    most = len(lines_of(command(plant.folder, "score")))
    wanted, kept = harm.pure(output), Path(shutil.copy(corrected, plant.folder / "kept"))
    times = random.Random(SEED)  # noqa: S311 - not a secret
    cut, begin = 0, time.monotonic()
    for number in range(count):
        if number % 2:
            write(table("2026-01-03").iloc[::2], corrected)
            plant.score(partition="hour")
            shutil.copy(kept, corrected)
        else:
            shutil.rmtree(output)
        everything = ["--all"] if number % 4 == 1 else []
        lines, seconds = times.randint(0, most), times.uniform(0, 0.1)
        seconds = seconds if lines else 100 * seconds  # before the first line much is loaded
        killed(command(plant.folder, "score", *everything), lines=lines, seconds=seconds)
        for path in output.glob("[!.]*/**/*.parquet"):
            pq.read_table(path)
        cut += not output.exists() or harm.pure(output) != wanted
        plant.score(partition="hour")
        check(harm.pure(output) == wanted, f"kill {number} after {lines} lines: equal bytes")
        check(not (output / ".aside").exists(), f"kill {number}: nothing is left behind")
        if number % 10 == 9:
            report(f"  {number + 1} kills, {cut} before the end")
    took = time.monotonic() - begin
    report(f"kills of aedetect score: {count}, {cut} before the end; equal bytes; {took:.0f} s")


def training_kills(plant: Plant, *, count: int) -> None:
    """Kill `aedetect train` as it registers; the champion is intact, the next training works."""
    config = make_config(plant.given(), folder=plant.folder)
    words = command(plant.folder, "train", "--set", "training.epochs=1")
    most = len(lines_of(words))
    before = len(registry.list_versions(tracking_uri=config.tracking_uri))
    times = random.Random(SEED)  # noqa: S311 - not a secret
    for _ in range(count):
        # The registration comes after the last line but one, and takes about a second.
        killed(words, lines=most - times.randint(1, 2), seconds=times.uniform(0, 2))
        champion = registry.find_version("plant", tracking_uri=config.tracking_uri)
        check(champion.version == 1, "the champion stays")
        for version in registry.list_versions(tracking_uri=config.tracking_uri):
            registry.fetch_version(version, tracking_uri=config.tracking_uri)
    after = len(registry.list_versions(tracking_uri=config.tracking_uri))
    done = run(words)
    check(done.code == 0, f"a training after kills succeeds: {done.said}")
    report(f"kills of aedetect train: {count}, {after - before} of them after the registration")


def kills_of_others(plant: Plant, *, count: int) -> None:
    """Kill `calibrate`, `label`, and `score` as it delivers, in a database of each kind."""

    def kill(words: list[str], seconds: float) -> None:
        killed(command(plant.folder, *words), lines=0, seconds=seconds)

    report(other_kills.label_kills(plant, kill, check, count=count))
    sqlite = f"sqlite:///{plant.folder}/events.db"
    report(other_kills.delivery_kills(plant, kill, check, sqlite, count=count))
    try:
        with postgres_server() as url:
            report(other_kills.delivery_kills(plant, kill, check, url, count=count))
    except pytest.skip.Exception as reason:
        report(f"no kills of a delivery to PostgreSQL: {reason}")
    report(other_kills.calibration_kills(plant, kill, check, count=count))
    plant.written(partition="hour")


def mutated(content: bytes, footer: int, times: random.Random) -> tuple[bytes, int]:
    """Return the bytes of a file with some of them changed, and the place of the first.

    Every other one is in the footer, which is small.
    """
    place = times.choice((times.randrange(footer), times.randrange(footer, len(content))))
    size = times.choice((1, 1, 8, 64, 1024))
    kind = times.choice(("flip", "zero", "noise", "cut", "repeat"))
    if kind == "cut":
        return content[:place], place
    if kind == "repeat":
        return content[: place + size] + content[place:], place
    block = content[place : place + size]
    if kind == "flip":
        block = bytes([block[0] ^ 1 << times.randrange(8)]) + block[1:]
    else:
        block = bytes(len(block)) if kind == "zero" else times.randbytes(len(block))
    return content[:place] + block + content[place + size :], place


def mutations(plant: Plant, *, count: int) -> None:
    """Score a file with page checksums of which some bytes changed, each time other ones.

    Either the file is quarantined by its reason, or something is reported of it, or all verdicts
    are those of the whole file. A change in the footer may go unseen: no checksum covers it.
    """
    rows = pa.Table.from_pandas(table(DAYS[0]), preserve_index=False)
    path = plant.folder / "mutated" / "day.parquet"
    path.parent.mkdir()
    pq.write_table(rows, path, write_page_checksum=True)
    content, times = path.read_bytes(), random.Random(SEED)  # noqa: S311 - not a secret
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    wanted, begin = _verdicts(plant), time.monotonic()
    outcomes = dict.fromkeys(("quarantined", "reported", "equal", "unseen in the footer"), 0)
    for number in range(count):
        changed, place = mutated(content, footer, times)
        path.write_bytes(changed)
        shutil.rmtree(plant.folder / "mutated-out", ignore_errors=True)
        try:
            summary = plant.score(input="mutated", output="mutated-out")
        except AedetectError:
            outcomes["quarantined"] += 1
            continue
        if summary.unreadable or summary.schema_mismatch:
            outcomes["quarantined"] += 1
        elif _verdicts(plant, given=True) == wanted:
            outcomes["equal"] += 1
        elif summary.warnings or summary.drift or summary.undated:
            outcomes["reported"] += 1
        else:
            check(place >= footer, f"mutation {number} at {place} changes verdicts, and is seen")
            outcomes["unseen in the footer"] += 1
    took = time.monotonic() - begin
    named = ", ".join(f"{many} {name}" for name, many in outcomes.items())
    report(f"mutations of a file: {count}; {named}; {took:.0f} s")


def _verdicts(plant: Plant, *, given: bool = False) -> list[dict[str, object]]:
    """Return the verdicts of the file as it is now, scored before when `given`."""
    if not given:
        plant.score(input="mutated", output="mutated-out")
    columns = ["timestamp", "entity", "score", "verdict"]
    scores = plant.folder / "mutated-out" / "scores"
    parts = [pq.read_table(each, columns=columns) for each in sorted(scores.rglob("*.parquet"))]
    return pa.concat_tables(parts).to_pylist() if parts else []


def many_files(plant: Plant, *, count: int) -> None:
    """Score many small files, then score again without changes."""
    rows = table("2026-03-01", days=10).sort_values(["time", "unit"])
    each = -(-len(rows) // count)
    folder = plant.folder / "many"
    for number in range(count):
        part = rows[number * each : (number + 1) * each]
        if len(part):
            write(part, folder / f"{number:05}.parquet")
    words = command(plant.folder, "score", "--set", f"scoring.input={folder}")
    words += ["--set", "scoring.output=many-out", "--set", "scoring.partition=day"]
    first, second = run(words), run(words)
    check(first.code == second.code == 0, f"{count} files are scored: {first.said}")
    report(
        f"files: {count}; scored in {first.seconds:.0f} s and {first.megabytes:.0f} MB, "
        f"looked at again in {second.seconds:.0f} s"
    )


def big_file(folder: Path, *, rows: int, entities: int, by_time: bool) -> None:
    """Write a file of many rows, one minute apart, in bounded memory."""
    minutes = rows // entities
    entity, minute = (
        (f"i % {entities}", f"i // {entities}")
        if by_time
        else (f"i // {minutes}", f"i % {minutes}")
    )
    features = ", ".join(
        f"(sin({minute} * 0.004 + {k}) * {k + 1} + hash(i * 8 + {k}) / 2.0 ** 64)::FLOAT AS f{k}"
        for k in range(BIG_FEATURES)
    )
    folder.mkdir(parents=True)
    with duckdb.connect(config={"memory_limit": "500MB", "threads": 1}) as connection:
        connection.execute(
            f"COPY (SELECT TIMESTAMP '2026-02-01' + to_minutes({minute}) AS time, "
            f"printf('m-%05d', {entity}) AS unit, {features} FROM range({rows}) t(i)) "
            f"TO '{folder}/all.parquet' (FORMAT parquet)"
        )


def big_files(folder: Path, *, rows: int) -> None:
    """Score one file of many rows in several layouts, each in less than 1.5 GB."""
    folder.mkdir()
    big_file(folder / "train", rows=200_000, entities=40, by_time=False)
    given = settings(
        data={"train": "train"},
        prepare={"per_entity": False},
        window={"length": 16},
        training={"epochs": 1},
    )
    write_config(folder / "plant.toml", given)
    check(run(command(folder, "train")).code == 0, "the large detector is trained")
    shapes = {
        "a week of many entities, by time": (rows // 10_000, True),
        "a week of many entities, one after the other": (rows // 10_000, False),
        "a year of 40 entities, one after the other": (40, False),
        "a single day": (rows // 1440, True),
    }
    for name, (entities, by_time) in shapes.items():
        source, output = folder / "source", folder / "output"
        big_file(source, rows=rows, entities=entities, by_time=by_time)
        done = run(command(folder, "score", "--set", f"scoring.input={source}"))
        written = sum(pq.read_metadata(p).num_rows for p in (output / "scores").rglob("*.parquet"))
        check(done.code == 0, f"{name} is scored: {done.said}")
        check(written == rows, f"every row of {name} has its verdict")
        report(f"{rows:,} rows, {name}: {done.megabytes:.0f} MB, {done.seconds:.0f} s")
        check(done.megabytes < MEGABYTES, f"{name} takes less than {MEGABYTES} MB")
        shutil.rmtree(source)
        shutil.rmtree(output)


def locks(plant: Plant) -> None:
    """Lock the databases of MLflow and Prefect for a short and a long time."""
    words = command(plant.folder, "score", "--all")
    usual = run(words)
    check(usual.code == 0, f"a run without locks succeeds: {usual.said}")
    databases = {
        "MLflow": plant.folder / "mlruns" / "mlflow.db",
        "Prefect": Path(os.environ["PREFECT_HOME"]) / "prefect.db",
    }
    for name, database in databases.items():
        with harm.held(database, seconds=8):
            done = run(words)
        check(done.code == 0, f"a lock of 8 s on the database of {name} is waited for: {done.said}")
        report(f"database of {name} held for 8 s: {done.seconds:.0f} s, else {usual.seconds:.0f} s")
    with harm.held(databases["Prefect"], seconds=600):
        done = run(words)
    check(done.code == 1 and "Prefect server" in done.said, f"the server is named: {done.said}")
    report(f"database of Prefect held for longer: {done.seconds:.0f} s, then {done.said}")
    with harm.held(databases["MLflow"], seconds=600):
        done = run(words)
    check(done.code == 1 and "mlflow.db" in done.said, f"the database is named: {done.said}")
    check(done.seconds < usual.seconds + PATIENCE, "a registry that is away is given up in time")
    report(f"database of MLflow held for longer: {done.seconds:.0f} s, then {done.said}")


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="of aedetect score")
    parser.add_argument("--cluster-kills", type=int, default=50, help="of workers of Dask")
    parser.add_argument("--training-kills", type=int, default=10, help="of aedetect train")
    parser.add_argument("--other-kills", type=int, default=10, help="of calibrate, label, delivery")
    parser.add_argument("--mutations", type=int, default=300, help="of an input file")
    parser.add_argument("--files", type=int, default=10_000, help="small input files")
    parser.add_argument("--rows", type=int, default=20_000_000, help="of one large file")
    parser.add_argument("--locks", type=int, default=1, help="0: leave the locks out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        os.environ["PREFECT_HOME"] = str(folder / "prefect")
        plant = prepared(folder)
        if asked.kills:
            kills(plant, count=asked.kills)
        if asked.cluster_kills and find_spec("distributed") is not None:
            report(cluster_kills(plant, check, count=asked.cluster_kills))
            plant.written(partition="hour")
        if asked.other_kills:
            kills_of_others(plant, count=asked.other_kills)
        if asked.mutations:
            mutations(plant, count=asked.mutations)
        if asked.locks:
            locks(plant)
        if asked.files:
            many_files(plant, count=asked.files)
        if asked.training_kills:
            training_kills(plant, count=asked.training_kills)
        if asked.rows:
            big_files(folder / "big", rows=asked.rows)


if __name__ == "__main__":
    main()
