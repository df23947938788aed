"""Files that are no plain Parquet files: each is set aside or refused by its true reason."""

from __future__ import annotations

import os

import pandas as pd
import pytest
from plant import DAYS, table
from plant import write as deliver

from aedetect.data import find_files
from aedetect.data.discovery import locate_files
from aedetect.errors import NoData
from aedetect.jobs.quality import assess_input
from aedetect.jobs.scoring import resolve_model
from aedetect.scoring import cached_detector
from aedetect.scoring.plan import fingerprinted


@pytest.mark.parametrize(
    ("sign", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "Delta Lake"),
        ("metadata/v2.metadata.json", "Apache Iceberg"),
        (".hoodie/hoodie.properties", "Apache Hudi"),
    ],
)
@pytest.mark.parametrize("below", ["", "pumps"])
def test_a_table_with_a_log_is_refused(tmp_path, sign, kind, below):
    """Its folder holds dead rows; the message says what to do."""
    deliver(table(DAYS[0]), tmp_path / below / "part-0.parquet")
    path = tmp_path / below / sign
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(NoData, match=f"holds a table of {kind}, .* export its current snapshot"):
        find_files([str(tmp_path)], timestamp="time")


def test_files_are_known_by_their_first_bytes(tmp_path):
    """In any case of the suffix, with another one, and without; other files are none."""
    for name in ("a.parquet", "b.PARQUET", "c.parquet.gzip", "000000_0", "d.snappy.Parquet"):
        deliver(table(DAYS[0]).iloc[:3], tmp_path / name)
    (tmp_path / "readme.txt").write_text("no table")
    (tmp_path / "empty").write_text("")
    assert [name for _, name in locate_files(str(tmp_path)).files] == [
        "000000_0",
        "a.parquet",
        "b.PARQUET",
        "c.parquet.gzip",
        "d.snappy.Parquet",
    ]


@pytest.mark.parametrize("name", ["f.parquet", "pipe"])
def test_a_pipe_does_not_hold_up_a_run(plant, name):
    """Nobody may ever write to it."""
    os.mkfifo(plant.incoming / name)
    summary = plant.score()
    assert summary.partitions == 3
    aside = ("f.parquet: is no regular file (a pipe, a socket or a device): remove it",)
    assert summary.unreadable == (aside if name == "f.parquet" else ())


def test_a_column_without_a_type_is_missing_values(plant):
    """As NaN would be; check finds nothing wrong."""
    path = plant.incoming / f"{DAYS[0]}.parquet"
    verdicts = []
    for nothing in (float("nan"), None):
        deliver(table(DAYS[0]).assign(load=nothing), path)
        summary = plant.score()
        assert (summary.unfit, summary.drift) == ((), ())
        verdicts.append(pd.read_parquet(plant.output / "scores"))
    pd.testing.assert_frame_equal(*verdicts)
    config = plant.config()
    schema = cached_detector(resolve_model(config).folder).scorer.schema
    assert not [each for each in assess_input(config, schema).problems if DAYS[0] in each]


def test_a_file_that_goes_before_it_is_hashed_is_set_aside(plant):
    """The others are as they were."""
    found = find_files([str(plant.incoming)], timestamp="time")
    (plant.incoming / f"{DAYS[1]}.parquet").unlink()
    source, prints = fingerprinted(found)
    assert sorted(prints) == [f"{DAYS[0]}.parquet", f"{DAYS[2]}.parquet"]
    assert [each.name for each in source.aside] == [f"{DAYS[1]}.parquet"]
    assert source.aside[0].reason.startswith("is gone or cannot be read any more (No such file")
