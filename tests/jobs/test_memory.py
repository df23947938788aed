"""Memory does not grow with the rows of the training data, mapped files included."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plant import settings, write_config

from aedetect.data import Feature, Rows, Schema
from aedetect.data.fill_values import find_fill_values
from aedetect.data.growth import find_growth
from aedetect.data.memmap import map_rows
from aedetect.detector.rules import ColumnRules
from aedetect.detector.settings import RuleSettings
from aedetect.jobs.dataset import apply_in_batches
from aedetect.preprocessing import Preparation, split_by_time
from aedetect.preprocessing.settings import PrepareSettings

COLUMNS, ROWS, GROWTH = 100, 25_000, 4
# Small batches and samples, so that small tables show what grows.
CODE = """
import resource, sys
from pathlib import Path
from aedetect.config import read_config
from aedetect.data import reader, wide
from aedetect.jobs import dataset, input_check
from aedetect.jobs.check import check_data
from aedetect.preprocessing import preparation

reader.BATCH_CELLS, wide.GROUP, preparation.STATISTICS_CELLS = 2**17, 10, 2**18
reader.WHOLE_CELLS = 2**17
dataset.DATASET_MEMORY_MB = input_check.DATASET_MEMORY_MB = 60
folder = Path(sys.argv[1])
check_data(read_config(folder / "plant.toml"), folder)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(folder, rows):
    """The peak memory (MB) of a check of so many rows in a process of its own."""
    schema = pa.schema(
        [("time", pa.timestamp("us")), *((f"x{n}", pa.float64()) for n in range(COLUMNS))]
    )
    random, each = np.random.default_rng(0), ROWS // 5
    folder.mkdir()
    with pq.ParquetWriter(folder / "train.parquet", schema, use_dictionary=False) as writer:
        for start in range(0, rows, each):
            time = np.arange(start, start + each) * 60_000_000
            values = random.normal(size=(COLUMNS, each)).round(3)
            writer.write_table(pa.table([pa.array(time, schema[0].type), *values], schema=schema))
    given = settings(scoring={"input": "train.parquet"})
    del given["data"]["entity"]
    write_config(folder / "plant.toml", given)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder)], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def test_check_takes_no_memory_for_more_rows(tmp_path):
    """But what DuckDB may use for ordering. Mapped rows and their copies would take thrice that."""
    few, many = (peak(tmp_path / str(rows), rows) for rows in (ROWS, GROWTH * ROWS))
    assert many - few < 2 * COLUMNS * (GROWTH - 1) * ROWS * 8 / 2**20


def resident(name):
    """The memory (MB) that mapped files of a name take in this process."""
    maps = Path("/proc/self/smaps").read_text().split("VmFlags")
    own = [re.search(r"^Rss: +(\d+) kB$", each, re.MULTILINE) for each in maps if name in each]
    assert own, f"{name} is mapped"
    return sum(int(each[1]) for each in own) / 1024


FEATURES = tuple(Feature(f"x{n}", "number") for n in range(COLUMNS))
SCHEMA = Schema(
    timestamp="t", aware=False, entity=None, features=FEATURES, context=(), period=1, max_gap=5
)


def fitted(rows):
    """The preparation of all rows."""
    parts = split_by_time(rows, holdout=0.3, gap=4)
    given = PrepareSettings()
    return Preparation.fit(rows, parts, schema=SCHEMA, settings=given, missing_limit=10)


PASSES = {
    "fill values": lambda rows, _: find_fill_values(rows, SCHEMA.names, range(COLUMNS)),
    "growth": lambda rows, _: find_growth(rows, range(COLUMNS)),
    "rules": lambda rows, _: ColumnRules.fit(rows, schema=SCHEMA, settings=RuleSettings()),
    "preparation": lambda rows, _: fitted(rows),
    "prepared": lambda rows, folder: apply_in_batches(fitted(rows), rows, folder),
}


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells")
@pytest.mark.parametrize("name", PASSES)
def test_rows_that_were_read_are_not_kept(name, tmp_path, monkeypatch):
    """Each pass over the rows leaves few of their pages in memory, of 57 MB."""
    monkeypatch.setattr("aedetect.data.reader.BATCH_CELLS", 2**17)
    monkeypatch.setattr("aedetect.preprocessing.preparation.STATISTICS_CELLS", 2**18)
    count = 3 * ROWS
    whole = Rows(
        time=np.arange(count),
        entity=np.zeros(count, dtype=np.int32),
        names=(None,),
        values=np.random.default_rng(0).integers(0, 5, size=(count, COLUMNS)).astype(np.float64),
    )
    rows = map_rows([whole], columns=COLUMNS, folder=tmp_path).rows
    kept = PASSES[name](rows, tmp_path)
    assert resident(f"{tmp_path}/values.f8") < 5
    if name == "prepared":
        assert resident(f"{tmp_path}/matrix.npy") < 5
    del kept
