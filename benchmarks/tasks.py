"""Training and evaluation data of one data set, for several benchmarks.

A data set is a folder with train.parquet and test.parquet, or a folder incoming/ for the latter;
columns timestamp, entity (where there are several) and, in the later rows, is_anomaly.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from aedetect.arrays import Bool, Float32, Int32
from aedetect.config import Config, make_config
from aedetect.data import Query, Rows, Schema, find_files, open_engine, read_rows
from aedetect.data.memmap import map_rows
from aedetect.detector import Scorer, Series
from aedetect.detector.ticks import ticks_of
from aedetect.jobs import dataset
from aedetect.preprocessing import Part, Windows, positions
from aedetect.training import Ingested, PreparedRows

SAMPLE = Path(__file__).parents[1] / "data" / "smd"
LABEL = "is_anomaly"
DAY = 86_400_000_000_000  # ns
TOLERANCE = 100  # rows around a labelled segment that VUS-PR averages over


@dataclass(frozen=True)
class Labelled:
    """The later rows (R,), those with a whole window (N, T, D), and the label of these (N,).

    `truth` (R,) is the label of all rows; `owner` (R,) tells entities apart, unseen ones as well.
    """

    series: Series
    windows: Windows
    label: Bool
    truth: Bool
    owner: Int32
    days: float  # of all entities together: rows times their sampling period

    @property
    def entity(self) -> Int32:
        """(R,)."""
        return self.series.entity

    @property
    def rows(self) -> Float32:
        """(N, D)."""
        return self.windows.matrix[self.windows.ends]

    def scores(self, scorer: Scorer) -> Float32:
        """Score the rows with a whole window, as the threshold's scores are: (N,)."""
        asked = np.zeros(len(self.owner), dtype=np.bool_)
        asked[self.windows.ends] = True
        rows, judged = scorer.judge(self.series, asked)
        assert np.array_equal(rows, self.windows.ends)
        return judged.score


@dataclass(frozen=True)
class Task:
    """Training and evaluation data of one data set."""

    config: Config
    ingested: Ingested
    prepared: PreparedRows
    later: Labelled


def read_task(folder: Path, scratch: Path) -> Task:
    """Prepare the training rows of a data set, and its later rows as they would be scored."""
    config = config_of(folder)
    ingested = dataset.ingest_rows(config, scratch)
    prepared = dataset.prepare_rows(config, ingested, scratch)
    return Task(config, ingested, prepared, read_later(folder, ingested, prepared))


def config_of(folder: Path) -> Config:
    """Return a configuration that trains on a data set with the default settings."""
    train = folder.resolve() / "train.parquet"
    data = {"train": str(train), "timestamp": "timestamp"}
    if "entity" in pq.read_schema(train).names:
        data["entity"] = "entity"
    return make_config(
        {"detector": {"name": folder.name}, "data": data, "training": {"device": "cpu"}},
        folder=folder,
    )


def read_training_rows(folder: Path, scratch: Path) -> Ingested:
    """Read the training rows of a data set: raw values, and their schema."""
    return dataset.ingest_rows(config_of(folder), scratch)


def read_rows_with_label(folder: Path, schema: Schema) -> tuple[Rows, Bool]:
    """Read the later rows of a data set: raw values (R, F), and the label (R,)."""
    test = folder / "test.parquet"
    files = find_files(
        [str(test if test.exists() else folder / "incoming")], timestamp=schema.timestamp
    )
    query = Query.of(schema, files.files, numbers=(LABEL,))
    with tempfile.TemporaryDirectory() as folder_name:
        scratch = Path(folder_name)
        with open_engine(memory_mb=1_000, scratch=scratch) as connection:
            found = read_rows(connection, query)
            rows = map_rows(found, columns=len(query.categories), folder=scratch).rows
        values = np.array(rows.values)
    return replace(rows, values=values[:, :-1]), values[:, -1] > 0


def read_later(folder: Path, ingested: Ingested, prepared: PreparedRows) -> Labelled:
    """Read the later rows of a data set, as they would be scored."""
    schema, length = ingested.schema, prepared.windows[Part.LEARN].length
    rows, label = read_rows_with_label(folder, schema)
    part = prepared.preparation.transform(rows)
    back = positions(rows.time, starts=rows.starts, usable=part.usable, max_gap=schema.max_gap)
    ends = np.flatnonzero(back >= length - 1)
    valid = np.ones(len(rows), dtype=np.bool_)
    tick = ticks_of(rows, schema)
    series = Series(part.matrix, part.observed, part.entity, back, valid, tick)
    windows = Windows(part.matrix, part.observed, ends, length)
    days = float(schema.spread(rows.names, "period")[rows.entity].sum() / DAY)
    return Labelled(series, windows, label[ends], truth=label, owner=rows.entity, days=days)
