"""Draw docs/flagged.png from a scored demo: python benchmarks/picture.py [ENTITY]."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd

mpl.use("Agg")
import matplotlib.dates as mdates
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[1]
ENTITY = sys.argv[1] if len(sys.argv) > 1 else "machine-1-6"
SHOWN = 2  # features, those with the largest share over all flagged rows
RED, BLUE, GREY = "#c0392b", "#2c6fbb", "#bbbbbb"


def main() -> None:
    """Draw the score above and the features with the largest shares below."""
    chosen = [("entity", "==", ENTITY)]
    scores = pd.read_parquet(ROOT / "output/scores", filters=chosen).sort_values("timestamp")
    flagged = pd.read_parquet(ROOT / "output/flagged", filters=chosen).sort_values("timestamp")
    rows = pd.read_parquet(ROOT / "data/smd/incoming", filters=chosen).sort_values("timestamp")
    exploded = flagged[["timestamp", "causes"]].explode("causes", ignore_index=True)
    causes = pd.DataFrame(exploded["causes"].tolist()).assign(timestamp=exploded["timestamp"])
    blamed = causes.groupby("feature")["share"].sum().nlargest(SHOWN).index

    figure, axes = plt.subplots(1 + SHOWN, 1, sharex=True, figsize=(10, 6), layout="constrained")
    top = axes[0]
    top.semilogy(scores["timestamp"], scores["score"], color=GREY, lw=0.5, label="score")
    top.semilogy(flagged["timestamp"], flagged["score"], ".", color=RED, ms=3, label="flagged")
    top.axhline(flagged["threshold"].iloc[0], color="black", lw=0.8, label="threshold")
    top.set_ylabel("score")
    top.set_title(f"{ENTITY}: what was flagged, and the two features most to blame", loc="left")
    for axis, feature in zip(axes[1:], blamed, strict=True):
        expected = causes[causes["feature"] == feature]
        axis.plot(rows["timestamp"], rows[feature], color=BLUE, lw=0.6, label="observed")
        axis.plot(
            expected["timestamp"],
            expected["expected"],
            ".",
            color=RED,
            ms=3,
            label="expected there",
        )
        axis.set_ylabel(f"{feature}\n(0 to 1)")
        axis.set_ylim(-0.1, 1.5)
    labelled = rows["is_anomaly"].to_numpy() == 1
    for number, axis in enumerate(axes):
        axis.fill_between(
            rows["timestamp"], 0, 1, where=labelled, color="orange", alpha=0.25, lw=0,
            transform=axis.get_xaxis_transform(), label="labelled" if number == 0 else None,
        )  # fmt: skip
        place = "upper left" if number else "lower center"
        axis.legend(loc=place, ncols=4, fontsize=8, frameon=False)
    dates = mdates.ConciseDateFormatter(axes[-1].xaxis.get_major_locator())  # type: ignore[no-untyped-call]
    axes[-1].xaxis.set_major_formatter(dates)
    axes[-1].set_xlabel("time (UTC)")
    figure.savefig(ROOT / "docs/flagged.png", dpi=110)


main()
