"""Names of files and folders with special characters of DuckDB, globs or URLs."""

from __future__ import annotations

import os
import shutil

import fsspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from plant import ROWS, settings, table

from aedetect.config import make_config
from aedetect.data import Query, find_files, open_engine, read_rows
from aedetect.errors import NoData
from aedetect.evaluation.metrics import evaluate
from aedetect.events import read_event_table
from aedetect.jobs import rewriting, scoring, similarity
from aedetect.jobs.dataset import ingest_rows
from aedetect.jobs.input_check import check_input
from aedetect.output.partitions import Span
from aedetect.scoring import cached_detector

NAMES = (
    "d2",
    "d[2]",
    "d*",
    "d?",
    "d[!2]",
    "d[",
    "d]",
    "**",
    "d[[]2]",
    "d{2,3}",
    "it's",
    'q"',
    "new\nline",
    "100%",
    "50%25",
    "a#b",
    "a b",
    "a&b=c",
    "a::b",
    "a:b",
    "back\\slash",
    "back\\*",
    "~",
    "$HOME",
    "über 日本",
)
FOLDERS = ("plain", "x[1]", "x*", "it's", "machine=a[1]", "machine=b*", "back\\[", "a::b")
ODD = "it's [1] *?\\ %20 #a::b"  # all of them in one folder's name


def frame(number: int) -> pd.DataFrame:
    """One row that identifies its file."""
    return pd.DataFrame({"time": pd.to_datetime(["2026-01-01"]), "a": [float(number)]})


def values(files) -> list[float]:
    """The values that DuckDB reads from files, in order."""
    query = Query(files=files, timestamp="time", entity=None, categories={"a": ()}, where=None)
    with open_engine(memory_mb=200, scratch=os.devnull) as connection:
        return sorted(value for rows in read_rows(connection, query) for value in rows.values[:, 0])


@pytest.fixture
def everywhere(tmp_path):
    """A file of every name in folders of every name; key=value folders separately."""
    paths = [
        tmp_path / ("hive" if "=" in folder else "in") / folder / f"{name}.parquet"
        for folder in ("", *FOLDERS)
        for name in NAMES
    ]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        frame(number).to_parquet(path)
    return paths


def test_every_file_is_read_once_whatever_its_name(everywhere):
    """All together, and each separately."""
    folder = everywhere[0].parent
    flat, hive = (
        values(find_files([str(root)], timestamp="time").files)
        for root in (folder, folder.parent / "hive")
    )
    assert sorted(flat + hive) == list(range(len(everywhere)))
    for number, path in enumerate(everywhere):
        alone = find_files([str(path)], timestamp="time")
        assert [file.path for file in alone.files] == [str(path)]
        assert values(alone.files) == [number]


def test_existing_paths_take_precedence_over_patterns(tmp_path):
    """A name that could be a pattern is used literally if such a file or folder exists."""
    for number, name in enumerate(("d2", "d[2]", "d[23]", "d3")):
        frame(number).to_parquet(tmp_path / f"{name}.parquet")

    def found(location):
        return [
            file.name for file in find_files([f"{tmp_path}/{location}"], timestamp="time").files
        ]

    assert found("d[2].parquet") == ["d[2].parquet"]
    assert found("d[2-3].parquet") == ["d2.parquet", "d3.parquet"]
    assert found("d[[]2].parquet") == ["d[2].parquet"]
    assert found("d[[]*.parquet") == ["d[23].parquet", "d[2].parquet"]
    (tmp_path / "d[2].parquet").unlink()
    assert found("d[2].parquet") == ["d2.parquet"]
    with pytest.raises(NoData, match=r"no Parquet file .* in .*d\[4\]"):
        found("d[4].parquet")


def test_a_missing_file_of_an_odd_folder_is_not_looked_for_elsewhere(tmp_path):
    """Matches of the folder's name as a pattern are other data."""
    for name in ("plant1", "plant[1]"):
        (tmp_path / name).mkdir()
    frame(1).to_parquet(tmp_path / "plant1" / "train.parquet")
    given = settings(data={"train": "train.parquet"}, scoring={"input": "*.parquet"})
    config = make_config(given, folder=tmp_path / "plant[1]")
    with pytest.raises(NoData, match=r"no such file or folder: .*plant\[1\]/train.parquet"):
        find_files(config.train, timestamp="time")
    with pytest.raises(NoData, match="no Parquet file"):
        find_files(config.input, timestamp="time")
    frame(2).to_parquet(tmp_path / "plant[1]" / "a*.parquet")
    assert [file.name for file in find_files(config.input, timestamp="time").files] == [
        "a*.parquet"
    ]


def test_keys_come_from_folders_of_the_input_alone(tmp_path):
    """A key=value folder above the input is part of its location, not of its content."""
    root = tmp_path / "a=9" / "in"
    for number, site in enumerate(("x", "y[1]", "z")):
        path = root / f"site={site}" / "f.parquet"
        path.parent.mkdir(parents=True)
        frame(number).to_parquet(path)
    source = find_files([str(root)], timestamp="time")
    assert values(source.files) == [0, 1, 2]
    query = Query(files=source.files, timestamp="time", entity="site", categories={}, where=None)
    with open_engine(memory_mb=200, scratch=tmp_path) as connection:
        names = [name for rows in read_rows(connection, query) for name in rows.names]
    assert sorted(names) == ["x", "y[1]", "z"]


def test_urls_are_read_under_their_very_name():
    """Also on object storage."""
    memory = fsspec.filesystem("memory")
    names = [name for name in NAMES if "\n" not in name]
    try:
        for number, name in enumerate(names):
            with memory.open(f"/names/{name}.parquet", "wb") as stream:
                frame(number).to_parquet(stream)
        source = find_files(["memory://names"], timestamp="time")
        assert values(source.files) == list(range(len(names)))
        alone = find_files(["memory://names/d[2].parquet"], timestamp="time")
        assert values(alone.files) == [names.index("d[2]")]
    finally:
        memory.rm("/names", recursive=True)


def test_a_name_that_is_no_text_is_quarantined(tmp_path):
    """It cannot be used in SQL or in the output; the others are read."""
    frame(1).to_parquet(tmp_path / "good.parquet")
    shutil.copy(tmp_path / "good.parquet", os.fsencode(tmp_path) + b"/bad\xff.parquet")
    source = find_files([str(tmp_path)], timestamp="time")
    assert values(source.files) == [1]
    assert [str(each) for each in source.quarantined] == [
        "bad?.parquet: has a name that is not UTF-8: rename it"
    ]


@pytest.fixture(scope="module")
def plant(tmp_path_factory, trained):
    """A plant in an odd folder: four files, one day each, whose names match each other."""
    folder = tmp_path_factory.mktemp("names") / ODD
    for day, name in enumerate(("d2", "d[2]", "d*", "a[1]/d?"), start=3):
        path = folder / "in[1]" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = table(f"2026-01-0{day}")
        rows.loc[300:310, "cpu"] = 500.0
        rows["bad"] = np.isin(np.arange(len(rows)), np.arange(300, 311))
        rows.to_parquet(path, index=False)
    shutil.copy(trained.folder / "train.parquet", folder / "train[1]*.parquet")
    given = settings(
        data={"train": "train[1]*.parquet", "label": "bad"},
        scoring={"input": "in[1]", "output": "out[1]'"},
        registry={"tracking_uri": trained.uri},
    )
    config = make_config(given, folder=folder)
    return config, scoring.run_scoring(config)


def test_training_reads_the_very_file(plant, tmp_path):
    """Its name as a pattern would match no file."""
    assert len(ingest_rows(plant[0], tmp_path).rows) == 2 * ROWS


def test_every_row_is_scored_once(plant):
    """The output has the day of each file."""
    config, summary = plant
    assert (summary.rows, summary.files, summary.status) == (4 * ROWS, 4, "done")
    days = {path.parent.name for path in (config.output / "scores").rglob("*.parquet")}
    assert days == {f"date=2026-01-0{day}" for day in range(3, 7)}
    assert scoring.run_scoring(config).rows == 0
    assert read_event_table(config.output)["severity"].to_pylist().count("critical") == 4


def test_check_and_evaluation_read_what_was_scored(plant):
    """No problem is found, and every row has a label."""
    config, _ = plant
    schema = cached_detector(scoring.resolve_model(config).folder).scorer.schema
    assert check_input(config, schema, None).problems == ()
    source = find_files(config.input, timestamp="time")
    evaluation = evaluate(source, config.output, config.data)
    assert evaluation.rows + evaluation.not_scored == 4 * ROWS
    assert evaluation.recall == 1.0


def test_rows_are_ordered_by_time_on_the_way(plant, tmp_path, monkeypatch):
    """The temporary file is in the odd folder of the output."""
    config, _ = plant
    monkeypatch.setattr("aedetect.scoring.time_sort._MIN_REREADS", 0)
    other = make_config(
        settings(
            data={"label": "bad"},
            scoring={"input": "in[1]", "output": "again[1]'", "partition": "hour"},
            registry={"tracking_uri": config.tracking_uri},
        ),
        folder=config.folder,
    )
    assert scoring.run_scoring(other).rows == 4 * ROWS
    shutil.rmtree(other.output)


def test_tables_are_cleaned_and_windows_compared(plant, tmp_path):
    """Other commands that read the input."""
    config, _ = plant
    done = rewriting.clean_table(config, to=tmp_path / "to[1]'", columns=(), span=Span())
    assert done.rows == 4 * ROWS
    assert pq.read_table(tmp_path / "to[1]'" / "part-0.parquet").num_rows == 4 * ROWS
    moment = pd.Timestamp("2026-01-04 12:00").value
    found = similarity.find_similar(config, entity="east", time=moment, limit=3)
    assert len(found.matches) == 3
