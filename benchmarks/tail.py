"""Simulates the critical values of the goodness-of-fit check of the tail, from true tails.

    python benchmarks/tail.py [--draws 10000]

Draws excesses of generalised Pareto distributions, fits them as calibration does, and prints the
95 % quantile of the Anderson-Darling statistic by true shape and number of excesses.
"""

from __future__ import annotations

import argparse

import numpy as np

from aedetect.calibration.tail import SHAPES, anderson_darling, fit_excess

COUNTS = (30, 100, 1000)
LEVEL = 0.95


def critical(shape: float, count: int, *, draws: int, seed: int) -> float:
    """Return the statistic that one in twenty true tails exceeds."""
    random = np.random.default_rng(seed)
    statistics = []
    for _ in range(draws):
        uniform = random.uniform(size=count)
        excess = -np.log(uniform) if shape == 0 else np.expm1(-shape * np.log(uniform)) / shape
        statistics.append(anderson_darling(excess, *fit_excess(excess)))
    return float(np.quantile(statistics, LEVEL))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("shape   " + "".join(f"{count:>8} excesses" for count in COUNTS))
    for shape in SHAPES:
        row = [critical(shape, each, draws=given.draws, seed=given.seed) for each in COUNTS]
        print(f"{shape:<8}" + "".join(f"{value:>17.3f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
