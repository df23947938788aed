"""The share of reported events that are real, with `threshold = "precision"`.

python benchmarks/precision.py: simulated months of one series, a row a minute, whose rows remember
those before; p-values from held-out rows of three days (`Reference`, with its tail), and real
events of random height, a number a month. --output FOLDER --labels FILE: events of an output,
judged by labels, as benchmarks/renewal.py --to keeps them.

The realised share is that of all reported events of all months; nan: none was reported. "false a
month" is what a month without real events is told.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from aedetect.arrays import Bool, Float64, Int64
from aedetect.calibration.conformal import Reference
from aedetect.events.discovery import discoveries
from aedetect.events.judged_rows import JudgedCounts, read_judged_rows
from aedetect.output import list_files
from aedetect.output.partitions import EVENTS

DAY, MINUTE = 86_400_000_000_000, 60_000_000_000
ROWS, MONTH = 1440, 30
WANTED = (0.5, 0.8, 0.9)


def noise(random: np.random.Generator, count: int, memory: float) -> Float64:
    """Return noise of spread 1 in which each value remembers a share of the one before."""
    fresh = random.normal(size=count) * np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], fresh))


def candidates(p_value: Float64, place: Int64) -> tuple[Int64, Float64, Bool]:
    """Return begin, smallest p-value and truth of each run of rows below 1e-3, within an hour."""
    low = np.flatnonzero(p_value < 1e-3)
    first = np.flatnonzero(np.diff(low, prepend=-1000) > 60)
    last = np.append(low[first[1:] - 1], low[-1:])
    smallest: Float64 = np.minimum.reduceat(p_value[low], first) if len(low) else np.zeros(0)
    near = (place + 9 >= low[first][:, None]) & (place <= last[:, None])
    return low[first].astype(np.int64) * MINUTE, smallest, np.asarray(near.any(axis=1))


def simulated(memory: float, events: int, months: int) -> dict[float, tuple[int, int]]:
    """Return reported and real events of simulated months, by the precision that is asked."""
    random = np.random.default_rng(0)
    counts = {wanted: np.zeros(2, dtype=int) for wanted in WANTED}
    begin = np.arange(MONTH) * DAY
    judged = JudgedCounts(begin, begin + DAY, np.full(MONTH, ROWS))
    for _ in range(months):
        held_out = Reference.of(noise(random, 3 * ROWS, memory).astype(np.float32))
        score = noise(random, MONTH * ROWS, memory)
        place = random.choice(MONTH * ROWS // 10 - 1, events, replace=False) * 10
        for at in place:
            score[at : at + 10] += random.uniform(2, 10)
        p_value = held_out.p_values(score.astype(np.float32))
        start, smallest, real = candidates(p_value, place)
        for wanted in WANTED:
            kept = discoveries(start, smallest, judged, precision=wanted)
            counts[wanted] += kept.sum(), (kept & real).sum()
    return {wanted: (int(n), int(r)) for wanted, (n, r) in counts.items()}


def of_output(output: Path, labels: Path) -> dict[float, tuple[int, int]]:
    """Return reported and real events of an output: those with a labelled row are real."""
    files = list_files(output, EVENTS)
    table = pd.concat([file.read().to_pandas() for file in files], ignore_index=True)
    table["entity"] = table["entity"].fillna("")
    truth = pd.read_parquet(labels)
    truth = truth[truth["is_anomaly"] > 0]
    name = truth["entity"] if "entity" in truth else pd.Series("", index=truth.index)
    moments = {key: part.to_numpy() for key, part in truth.groupby(name)["timestamp"]}
    none = np.zeros(0, "datetime64[ms]")
    real = np.array(
        [
            labelled(moments.get(who, none), a, b)
            for who, a, b in zip(table["entity"], table["start"], table["end"], strict=True)
        ]
    )
    start = table["start"].astype("datetime64[ns]").astype("int64").to_numpy()
    judged = read_judged_rows(output, by="day")
    kept = {q: discoveries(start, table["p_value"].to_numpy(), judged, precision=q) for q in WANTED}
    print(f"all {len(table)} candidates: {real.mean():.0%} real")
    return {wanted: (int(k.sum()), int((k & real).sum())) for wanted, k in kept.items()}


def labelled(moments: np.ndarray, start: pd.Timestamp, end: pd.Timestamp) -> bool:
    """Return whether a labelled row lies from start to end."""
    return bool(((moments >= np.datetime64(start)) & (moments <= np.datetime64(end))).any())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--months", type=int, default=200)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--labels", type=Path)
    asked = parser.parse_args()
    if asked.output:
        for wanted, (told, real) in of_output(asked.output, asked.labels).items():
            print(f"{wanted:.0%} asked: {told} reported, {real / max(told, 1):.0%} real")
        return
    heads = ("memory", "real a month", *(f"{each:.0%}: real, found" for each in WANTED))
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for memory in (0.0, 0.9, 0.99):
        for events in (0, 3, 30):
            found = simulated(memory, events, asked.months)
            cells = [f"{memory}", f"{events}"]
            for told, real in found.values():
                share, part = real / max(told, 1), real / max(events * asked.months, 1)
                cells.append(
                    f"{share:.0%}, {part:.0%}" if events else f"{told / asked.months:.2f} a month"
                )
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
