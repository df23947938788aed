"""The drinking water of GECCO 2018: one file and its labels, split into earlier and later rows.

14 labelled events lie among the earlier rows, which are trained on without looking at the labels.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

UNTIL = pd.Timestamp("2016-09-11 04:15")  # the last row that is trained on
LABELS = "train_labels.parquet"


def split_rows(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the earlier and the later rows, each with its label, is_anomaly."""
    table = pd.read_parquet(folder / "train.parquet")
    labels = pd.read_parquet(folder / LABELS)
    assert (table["timestamp"] == labels["timestamp"]).all(), "labels belong to the rows"
    table["is_anomaly"] = labels["is_anomaly"]
    early = table["timestamp"] <= UNTIL
    return table[early], table[~early]


def write_split(folder: Path, target: Path) -> Path:
    """Write both parts as the other data sets are; return the folder."""
    early, later = split_rows(folder)
    target.mkdir()
    early.drop(columns="is_anomaly").to_parquet(target / "train.parquet", index=False)
    later.to_parquet(target / "test.parquet", index=False)
    return target
