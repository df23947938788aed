"""Files that are no plain Parquet files: each is quarantined or refused by its true reason."""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plant import DAYS, settings, table
from plant import write as deliver

from aedetect.cli.show_runs import print_summary
from aedetect.config import make_config
from aedetect.data import find_files
from aedetect.data.discovery import locate_files
from aedetect.errors import NoData
from aedetect.jobs.dataset import ingest_rows
from aedetect.jobs.input_check import check_input
from aedetect.jobs.scoring import resolve_model, run_scoring
from aedetect.jobs.training import run_training
from aedetect.scoring import cached_detector
from aedetect.scoring.plan import fingerprinted
from aedetect.scoring.run_log import read_runs
from aedetect.scoring.summary_text import summary_markdown


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
        assert (summary.schema_mismatch, summary.drift) == ((), ())
        verdicts.append(pd.read_parquet(plant.output / "scores"))
    pd.testing.assert_frame_equal(*verdicts)
    config = plant.config()
    schema = cached_detector(resolve_model(config).folder).scorer.schema
    assert not [each for each in check_input(config, schema, None).problems if DAYS[0] in each]


def test_a_file_that_goes_before_it_is_hashed_is_quarantined(plant):
    """The others are as they were."""
    found = find_files([str(plant.incoming)], timestamp="time")
    (plant.incoming / f"{DAYS[1]}.parquet").unlink()
    source, prints = fingerprinted(found)
    assert sorted(prints) == [f"{DAYS[0]}.parquet", f"{DAYS[2]}.parquet"]
    assert [each.name for each in source.quarantined] == [f"{DAYS[1]}.parquet"]
    assert source.quarantined[0].reason.startswith("is gone or cannot be read any more (No such")


def test_what_is_not_read_is_named(plant, capsys):
    """By check, train and score, with the reason; hidden names are not."""
    day = (plant.incoming / f"{DAYS[0]}.parquet").read_bytes()
    (plant.incoming / "whole.parquet.gz").write_bytes(gzip.compress(day))
    (plant.incoming / "next.parquet.tmp").write_bytes(day)
    (plant.incoming / "notes.txt").write_text("a note")
    (plant.incoming / "latest").symlink_to(plant.incoming / f"{DAYS[2]}.parquet")
    (plant.incoming / "_SUCCESS").write_text("")
    passed_over = (
        f"latest: is a link to {DAYS[2]}.parquet, which is read itself",
        "next.parquet.tmp: has a temporary name: rename it when it is whole",
        "notes.txt: does not begin as Parquet does",
        "whole.parquet.gz: is compressed as a whole (gzip): decompress it",
    )
    summary = plant.score(clock=lambda: datetime(2026, 1, 6, tzinfo=UTC))
    assert (summary.status, summary.partitions, summary.passed_over) == ("done", 3, passed_over)
    assert all(each in summary_markdown(summary, events=0).replace("`", "") for each in passed_over)
    print_summary(summary)
    assert "passed over: latest: is a link" in " ".join(capsys.readouterr().out.split())
    (row,) = read_runs(plant.output, limit=1)
    assert tuple(row["passed_over"]) == passed_over
    config = plant.config()
    schema = cached_detector(resolve_model(config).folder).scorer.schema
    problems = check_input(config, schema, None).problems
    named = {f"{each}: passed over" for each in passed_over}
    assert {each for each in problems if "passed over" in each} == named
    given = settings(data={"train": "incoming"})
    notes = ingest_rows(make_config(given, folder=plant.folder), plant.folder).notes
    assert named <= set(notes)


def test_links_to_folders_are_followed_once(tmp_path):
    """A cycle ends, a second name repeats no rows, and the order does not matter."""
    outside = tmp_path / "elsewhere"
    deliver(table(DAYS[0]).iloc[:3], outside / "deep" / "a.parquet")
    deliver(table(DAYS[1]).iloc[:3], tmp_path / "in" / "sub" / "b.parquet")
    for name, target in (
        ("mount", outside),
        ("again", outside),
        ("sub/up", tmp_path / "in"),
        ("near", tmp_path / "in" / "sub"),
    ):
        (tmp_path / "in" / name).symlink_to(target, target_is_directory=True)
    located = locate_files(str(tmp_path / "in"))
    assert [name for _, name in located.files] == ["again/deep/a.parquet", "sub/b.parquet"]
    assert located.passed_over == ()


ODD_COLUMNS = {
    "pressure": "is in 1 of 2 files, not in a.parquet: left out; to learn it, train on files",
    "lag": "cannot be a feature: left out; to learn it, write it as a number of seconds",
    "spectrum": "cannot be a feature: left out; to learn it, write each of its values into",
    "raw": "cannot be a feature: left out; to learn it, write it as a number or as text",
    "made": "cannot be a feature: left out; to learn it, write what matters of it as a number",
}


def test_columns_that_are_left_out_are_named(plant):
    """By check and train with the remedy, and by the first scoring run, once."""
    folder = plant.folder / "train"
    rows = table("2026-01-01", days=2)
    rows["lag"] = pd.to_timedelta(range(len(rows)), unit="s")
    rows["spectrum"] = [[1.0, 2.0]] * len(rows)
    rows["raw"] = [b"x"] * len(rows)
    rows["made"] = rows["time"]
    half = rows["time"] < "2026-01-02"
    deliver(rows[half], folder / "a.parquet")
    deliver(rows[~half].assign(pressure=3.0), folder / "b.parquet")
    given = plant.given() | {"data": settings()["data"] | {"train": "train"}}
    given |= {"detector": {"name": "odd"}, "registry": {"tracking_uri": f"sqlite:///{folder}.db"}}
    config = make_config(given, folder=plant.folder)
    run_training(config)
    notes = ingest_rows(config, plant.folder).notes
    for name, why in ODD_COLUMNS.items():
        assert [each for each in notes if f'column "{name}"' in each and why in each]
    shutil.rmtree(plant.incoming)
    deliver(rows[~half].assign(pressure=3.0), plant.incoming / "c.parquet")
    first, second = run_scoring(config), run_scoring(config, force=True)
    (warning,) = [each for each in first.warnings if each.startswith("not used")]
    assert all(f'"{name}" (' in warning for name in ODD_COLUMNS)
    assert not [each for each in second.warnings if each.startswith("not used")]


@pytest.mark.parametrize("kind", [pa.null(), pa.string(), pa.timestamp("us", tz="UTC")])
def test_a_file_without_rows_is_no_obstacle(plant, kind):
    """Its types mean nothing, and it may lack columns: to train on, to check, and to score."""
    empty = pa.table({"time": pa.array([], kind), "cpu": pa.array([], pa.null())})
    (plant.folder / "train").mkdir()
    (plant.folder / "train.parquet").rename(plant.folder / "train" / "b.parquet")
    for folder in (plant.folder / "train", plant.incoming):
        pq.write_table(empty, folder / "a.parquet")
    given = plant.given() | {"data": settings()["data"] | {"train": "train"}}
    ingested = ingest_rows(make_config(given, folder=plant.folder), plant.folder)
    assert ingested.schema.names == ("cpu", "load", "disk")
    summary = plant.score()
    assert (summary.status, summary.partitions, summary.schema_mismatch) == ("done", 3, ())
    config = plant.config()
    schema = cached_detector(resolve_model(config).folder).scorer.schema
    assert not [each for each in check_input(config, schema, None).problems if "a.parquet" in each]
