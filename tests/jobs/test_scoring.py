"""Scoring runs: every partition is a pure function of its inputs."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime

import duckdb
import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from plant import (
    ARRIVED,
    DAYS,
    FAULTY_ROWS,
    ROWS,
    Plant,
    contents,
    rewritten,
    settings,
    stamps,
    table,
    verdicts,
)
from plant import write as deliver

from aedetect import registry
from aedetect.config import make_config
from aedetect.errors import ConfigError, DataError, NoData, OutputError, UnknownModel
from aedetect.jobs.dataset import ingest_rows
from aedetect.jobs.input_check import check_input
from aedetect.jobs.scoring import resolve_model, run_scoring
from aedetect.jobs.training import run_training
from aedetect.output.atomic import read_origin
from aedetect.output.partitions import Span
from aedetect.registry.records import TrainingRecord
from aedetect.scoring import cached_detector, worker
from aedetect.timestamps import parse_instant


def score_file(plant, day):
    """Return where a day's scores are."""
    return plant.output / "scores" / f"date={day}" / "part-0.parquet"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, trained, arrived):
    """Score the three days once, all at once."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(arrived, folder / "incoming")
    plant = Plant(folder=folder, uri=trained.uri)
    plant.score()
    return plant


def test_first_run_scores_every_day(plant):
    """Each day becomes a partition, and each row is counted."""
    summary = plant.score()
    assert (summary.partitions, summary.current) == (3, 0)
    assert summary.rows == ARRIVED
    assert sorted(p.name for p in (plant.output / "scores").iterdir()) == [
        f"date={day}" for day in DAYS
    ]


def test_second_run_does_nothing(plant):
    """What is up to date is neither computed nor written."""
    plant.score()
    before, times = contents(plant.output), stamps(plant.output)
    summary = plant.score()
    assert (summary.partitions, summary.current, summary.rows) == (0, 3, 0)
    assert contents(plant.output) == before
    assert stamps(plant.output) == times


def test_forced_run_writes_identical_files(plant):
    """Scoring everything again replaces each file of rows by one with the same bytes."""
    plant.score()
    before, times = contents(plant.output), stamps(plant.output)
    assert plant.score(force=True).partitions == 3
    assert contents(plant.output) == before
    kept = stamps(plant.output).items() & times.items()
    assert {name.split("/")[0] for name, _ in kept} == {"events"}


def test_copied_input_gives_identical_files_elsewhere(plant):
    """The output depends neither on the location nor on the copy time of files."""
    plant.score()
    copies = plant.folder / "elsewhere" / "copied"
    shutil.copytree(plant.incoming, copies, copy_function=shutil.copyfile)
    for path in copies.iterdir():
        os.utime(path, ns=(1, 1))
    plant.score(input=str(copies), output="other")
    assert contents(plant.folder / "other") == contents(plant.output)


@pytest.mark.parametrize("by", ["day", "hour"])
def test_days_that_arrive_one_by_one_score_the_same(plant, undisturbed, by):
    """Batches do not change the scores, to the last bit, in partitions of any size."""
    waiting = plant.folder / "waiting"
    plant.incoming.rename(waiting)
    for day in DAYS:
        plant.incoming.mkdir(exist_ok=True)
        shutil.copy(waiting / f"{day}.parquet", plant.incoming)
        plant.score(partition=by)
    pd.testing.assert_frame_equal(
        verdicts(plant.output), verdicts(undisturbed.output), check_exact=True
    )


@pytest.mark.parametrize("by", ["day", "hour"])
@pytest.mark.parametrize("cut", ["one file", "a file an entity", "shuffled"])
def test_scores_do_not_depend_on_the_layout_of_the_input(plant, undisturbed, cut, by):
    """All rows in one file, a file an entity or no order at all: the same scores."""
    rows = pd.concat([pd.read_parquet(path) for path in sorted(plant.incoming.iterdir())])
    shutil.rmtree(plant.incoming)
    if cut == "one file":
        deliver(rows, plant.incoming / "all.parquet")
    elif cut == "a file an entity":
        for unit, part in rows.groupby("unit"):
            deliver(part, plant.incoming / f"{unit}.parquet")
    else:
        again = rows.duplicated(["unit", "time"])  # of repeats the first in the file is scored
        mixed = rows[~again].sample(frac=1, random_state=0)
        deliver(pd.concat([mixed, rows[again]]), plant.incoming / "all.parquet")
    plant.score(partition=by)
    pd.testing.assert_frame_equal(
        verdicts(plant.output), verdicts(undisturbed.output), check_exact=True
    )


def test_input_behind_a_url_scores_the_same(plant, undisturbed):
    """What fsspec opens is read as files are, and leaves the same files."""
    store = fsspec.filesystem("memory")
    for path in plant.incoming.iterdir():
        store.pipe(f"/arrived/{path.name}", path.read_bytes())
    assert plant.score(input="memory://arrived").partitions == len(DAYS)
    assert contents(plant.output) == contents(undisturbed.output)


def test_late_file_recomputes_the_affected_partitions(plant):
    """A file for one day causes that day, and the next one by its context, to be scored again."""
    late = plant.incoming / f"{DAYS[0]}.parquet"
    late.rename(plant.folder / "late.parquet")
    plant.score()
    times = stamps(plant.output)
    shutil.copy(plant.folder / "late.parquet", late)
    assert plant.score().partitions == 2
    assert rewritten(plant.output, times) == {f"date={DAYS[0]}", f"date={DAYS[1]}"}


def test_late_rows_touch_the_days_that_look_back_at_them(plant):
    """A file that ends long before that time is no context of the next day."""
    plant.score()
    times = stamps(plant.output)
    rows = table(DAYS[1])
    early = rows[rows["time"].dt.hour == 3].assign(unit="south")
    deliver(early, plant.incoming / "late" / "early.parquet")
    assert plant.score().rows == FAULTY_ROWS + len(early)
    assert rewritten(plant.output, times) == {f"date={DAYS[1]}"}
    noon = rows[rows["time"].dt.hour == 12].assign(unit="south")
    deliver(noon, plant.incoming / "late" / "noon.parquet")
    plant.score()
    assert rewritten(plant.output, times) == {f"date={DAYS[1]}", f"date={DAYS[2]}"}


def test_corrected_value_is_noticed_at_equal_size(plant):
    """One changed value in a file of the same size and time is scored, others stay untouched.

    Its means reach 60 rows on, and the level 720.
    """
    path = plant.incoming / f"{DAYS[0]}.parquet"
    rows = pd.read_parquet(path)
    rows.to_parquet(path, index=False, compression=None)
    plant.score()
    times, old, status = stamps(plant.output), verdicts(plant.output), path.stat()
    rows.loc[5, "cpu"] += 100
    rows.to_parquet(path, index=False, compression=None)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    plant.score()
    assert rewritten(plant.output, times) == {f"date={DAYS[0]}", f"date={DAYS[1]}"}
    new = verdicts(plant.output)
    differ = new[(new["score"] != old["score"]) & new["score"].notna()]
    assert differ["timestamp"].between("2026-01-03 00:05", "2026-01-03 12:24").all()
    assert set(differ["entity"]) == {"east"}
    assert (differ["timestamp"] < "2026-01-03 01:05").sum() == 60


def test_deleted_file_withdraws_its_day(plant):
    """Scores of rows that are gone go too, and the next day loses its context."""
    plant.score()
    times = stamps(plant.output)
    (plant.incoming / f"{DAYS[1]}.parquet").unlink()
    summary = plant.score()
    assert summary.withdrawn == (DAYS[1],)
    assert summary.partitions == 1
    assert rewritten(plant.output, times) == {f"date={DAYS[1]}", f"date={DAYS[2]}"}
    assert not list(plant.output.rglob(f"*{DAYS[1]}*"))


def test_interrupted_withdrawal_is_completed(plant):
    """Scores are withdrawn last, so that after a failure the next run knows what remains."""
    plant.score()
    (plant.incoming / f"{DAYS[1]}.parquet").unlink()
    flags = plant.output / "flagged" / f"date={DAYS[1]}" / "part-0.parquet"
    flags.unlink()
    flags.mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        plant.score()
    assert score_file(plant, DAYS[1]).exists()
    flags.rmdir()
    plant.score()
    assert not list(plant.output.rglob(f"*{DAYS[1]}*"))


def test_flagged_rows_that_were_deleted_come_back(plant):
    """A partition is complete when both of its files exist."""
    plant.score()
    path = plant.output / "flagged" / f"date={DAYS[1]}" / "part-0.parquet"
    before = path.read_bytes()
    path.unlink()
    assert plant.score().partitions == 1
    assert path.read_bytes() == before


def test_file_of_several_days_with_corrupt_times_is_quarantined(plant):
    """It is named, the others are scored."""
    path = deliver(table("2026-02-01", days=9), plant.incoming / "nine.parquet")
    content = bytearray(path.read_bytes())
    content[10:9000] = bytes(8990)
    path.write_bytes(content)
    summary = plant.score()
    assert summary.partitions == len(DAYS)
    assert [file.split(":")[0] for file in summary.unreadable] == ["nine.parquet"]


def test_rows_without_a_timestamp_are_reported(plant):
    """They belong to no partition, so the run reports their number and files."""
    rows = table("2026-01-07")
    rows.loc[5:7, "time"] = pd.NaT
    deliver(rows, plant.incoming / "2026-01-07.parquet")
    summary = plant.score()
    assert summary.undated == (
        f"2026-01-07.parquet: 3 of {ROWS} rows have no timestamp and get no verdict",
    )
    assert summary.rows == ARRIVED + ROWS - 3


def test_renamed_file_is_scored_again_to_the_same_verdicts(plant):
    """The name is part of what a partition was made from; the verdicts do not depend on it."""
    plant.score()
    before = verdicts(plant.output)
    path = plant.incoming / f"{DAYS[2]}.parquet"
    path.rename(path.with_name("another.parquet"))
    assert plant.score().partitions == 1
    pd.testing.assert_frame_equal(verdicts(plant.output), before, check_exact=True)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_unreadable_file_leaves_the_others_scored(plant, damage):
    """A damaged file is named, what was made from it stays, and it is scored once repaired."""
    plant.score()
    times = stamps(plant.output)
    path = plant.incoming / f"{DAYS[1]}.parquet"
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[:-100], "empty": b"", "text": b"a,b\n" * 9}[damage])
    deliver(table("2026-01-07"), plant.incoming / "2026-01-07.parquet")
    summary = plant.score()
    assert [file.split(":")[0] for file in summary.unreadable] == [f"{DAYS[1]}.parquet"]
    assert summary.deferred == (DAYS[1], DAYS[2])
    assert rewritten(plant.output, times) == {"date=2026-01-07"}
    path.write_bytes(whole)
    assert plant.score().unreadable == ()
    assert rewritten(plant.output, times) == {"date=2026-01-07"}


def test_file_that_arrives_damaged_is_scored_after_repair(plant):
    """A file that was never readable is retried by the next run."""
    path = plant.incoming / f"{DAYS[1]}.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    first = plant.score()
    assert (first.partitions, len(first.unreadable)) == (2, 1)
    path.write_bytes(whole)
    second = plant.score()
    assert (second.partitions, second.unreadable) == (2, ())
    assert len(verdicts(plant.output)) == ARRIVED


def damage(path):
    """Overwrite the first values of cpu and leave the footer; return what was there."""
    whole = path.read_bytes()
    metadata = pq.read_metadata(path)
    chunk = metadata.row_group(0).column(metadata.schema.names.index("cpu"))
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    end = start + chunk.total_compressed_size
    path.write_bytes(whole[:start] + bytes(end - start) + whole[end:])
    return whole


def test_corrupt_data_behind_a_good_footer_are_set_aside(plant):
    """Damage that only reading shows holds the partitions that need what is damaged, by name."""
    whole = damage(plant.incoming / f"{DAYS[1]}.parquet")
    summary = plant.score()
    assert summary.status == "partial"
    assert [file.split(":")[0] for file in summary.unreadable] == [f"{DAYS[1]}.parquet"]
    assert DAYS[1] in summary.deferred
    assert (summary.partitions, score_file(plant, DAYS[0]).exists()) == (
        3 - len(summary.deferred),
        True,
    )
    assert not score_file(plant, DAYS[1]).exists()
    (plant.incoming / f"{DAYS[1]}.parquet").write_bytes(whole)
    assert plant.score().status == "done"
    assert len(verdicts(plant.output)) == ARRIVED


def test_corrupt_data_keep_the_scores_that_were_made_before(plant):
    """What was made from the whole file stays, and what was deleted elsewhere is withdrawn."""
    plant.score()
    times = stamps(plant.output)
    damage(plant.incoming / f"{DAYS[2]}.parquet")
    (plant.incoming / f"{DAYS[0]}.parquet").unlink()
    summary = plant.score()
    assert (summary.deferred, summary.withdrawn) == ((DAYS[2],), (DAYS[0],))
    assert rewritten(plant.output, times) == {f"date={DAYS[0]}", f"date={DAYS[1]}"}


def test_corrupt_data_in_one_file_of_all_days_hold_up_no_other_file(plant):
    """Where rows would be ordered by time first, the partitions are read one by one instead."""
    rows = pd.concat([pd.read_parquet(path) for path in sorted(plant.incoming.iterdir())])
    shutil.rmtree(plant.incoming)
    east, west = (rows[rows["unit"] == unit] for unit in ("east", "west"))
    for name, part in (("east", east), ("west", west)):
        plant.incoming.mkdir(exist_ok=True)
        part.to_parquet(plant.incoming / f"{name}.parquet", index=False, row_group_size=1440)
    damage(plant.incoming / "east.parquet")
    summary = plant.score(partition="hour")
    assert [file.split(":")[0] for file in summary.unreadable] == ["east.parquet"]
    assert (len(summary.deferred), summary.partitions) == (0, 72)
    scored = verdicts(plant.output).groupby("entity").size()
    assert scored["west"] == len(west)
    assert 0 < scored["east"] < len(east)  # of the pages that can be read


def test_a_file_damaged_within_is_quarantined_and_the_others_of_its_day_are_scored(plant):
    """In the same run, to the same verdicts as if it were not there; repaired, it is scored."""
    path = plant.incoming / f"{DAYS[2]}.parquet"
    rows = pd.read_parquet(path)
    path.unlink()
    west = deliver(rows[rows["unit"] == "west"], plant.incoming / "west.parquet")
    plant.score()
    alone = verdicts(plant.output)
    shutil.rmtree(plant.output)
    whole = damage(deliver(rows[rows["unit"] == "east"], plant.incoming / "east.parquet"))
    summary = plant.score()
    assert (summary.status, summary.partitions, summary.deferred) == ("partial", 3, ())
    assert [file.split(":")[0] for file in summary.unreadable] == ["east.parquet"]
    pd.testing.assert_frame_equal(verdicts(plant.output), alone, check_exact=True)
    (plant.incoming / "east.parquet").write_bytes(whole)
    assert plant.score().status == "done"
    times, both = stamps(plant.output), verdicts(plant.output)
    damage(plant.incoming / "east.parquet")
    deliver(pd.read_parquet(west).assign(cpu=50.0), west)
    assert plant.score().deferred == (DAYS[2],)  # what was made from the whole file stays
    assert rewritten(plant.output, times) == set()
    pd.testing.assert_frame_equal(verdicts(plant.output), both, check_exact=True)


@pytest.mark.parametrize("column", ["unit", "state"])
def test_text_that_is_not_utf8_sets_its_file_aside(plant, column):
    """`check` says so before, and all other files are scored."""
    folder = plant.folder / "train"
    rows = table("2026-01-01", days=2).assign(state="on")
    rows.loc[::7, "state"] = "off"
    deliver(rows, folder / "a.parquet")
    given = plant.given() | {"data": settings()["data"] | {"train": "train"}}
    given |= {"registry": {"tracking_uri": f"sqlite:///{folder}.db"}}
    config = make_config(given, folder=plant.folder)
    run_training(config)
    shutil.rmtree(plant.incoming)
    good = table(DAYS[0]).assign(state="on")
    deliver(good, plant.incoming / "good.parquet")
    texts = [text.encode() for text in good[column]]
    texts[5] = b"caf\xe9"
    raw = pa.array(texts, pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    bad = pa.Table.from_pandas(good.assign(time=good["time"] + pd.Timedelta("30s")))
    bad = bad.set_column(bad.schema.get_field_index(column), column, text)
    pq.write_table(bad, plant.incoming / "bad.parquet")
    reason = f'bad.parquet: has text that is not UTF-8 in the column "{column}"'
    schema = cached_detector(resolve_model(config).folder).scorer.schema
    assert reason in check_input(config, schema, None).problems
    summary = run_scoring(config)
    assert (summary.status, summary.unreadable, summary.deferred) == ("partial", (reason,), ())
    assert summary.rows == len(good)


def test_file_that_is_replaced_while_it_is_read_is_left_to_the_next_run(plant, monkeypatch):
    """No footer says that a partition was made from content that is not what was read."""
    path = plant.incoming / f"{DAYS[2]}.parquet"
    planned = worker.compute_partitions

    def compute(units, **given):
        if DAYS[2] in {str(unit.partition) for unit in units}:
            deliver(table(DAYS[2]).assign(cpu=1.0), path)
        return planned(units, **given)

    monkeypatch.setattr(worker, "compute_partitions", compute)
    summary = plant.score()
    assert (summary.partitions, summary.deferred) == (2, (DAYS[2],))
    assert summary.unreadable == (f"{DAYS[2]}.parquet: was replaced while it was read",)
    assert not score_file(plant, DAYS[2]).exists()
    monkeypatch.undo()
    assert (plant.score().partitions, plant.score().current) == (1, 3)


def test_file_that_is_touched_while_it_is_read_counts_as_it_was(plant, monkeypatch):
    """The content decides, so that what a copy program does to times holds nothing up."""
    planned = worker.compute_partitions

    def compute(units, **given):
        for path in plant.incoming.iterdir():
            path.touch()
        return planned(units, **given)

    monkeypatch.setattr(worker, "compute_partitions", compute)
    assert plant.score().status == "done"


def test_file_without_a_needed_column_is_named(plant):
    """The others are scored; the summary names file and column."""
    path = plant.incoming / f"{DAYS[2]}.parquet"
    deliver(table(DAYS[2]).drop(columns="load"), path)
    summary = plant.score()
    assert (summary.partitions, summary.status) == (2, "partial")
    assert summary.schema_mismatch == (f'{DAYS[2]}.parquet: lacks the column "load"',)


def test_strict_run_fails_in_the_end(plant):
    """The others are scored first; the error names file and column."""
    path = plant.incoming / f"{DAYS[2]}.parquet"
    deliver(table(DAYS[2]).drop(columns="load"), path)
    with pytest.raises(DataError, match=rf'{DAYS[2]}\.parquet: lacks the column "load".*strict'):
        plant.score(strict=True)
    assert len(list((plant.output / "scores").iterdir())) == 2
    path.unlink()
    assert plant.score(strict=True).status == "done"


def test_file_that_lost_a_column_keeps_its_scores(plant):
    """What was made from a file that no longer fits is held, not withdrawn."""
    plant.score()
    times = stamps(plant.output)
    for day in DAYS:
        deliver(table(day).drop(columns="load"), plant.incoming / f"{day}.parquet")
    assert plant.score().deferred == DAYS
    assert stamps(plant.output) == times


def test_text_in_a_numeric_column_is_refused(plant):
    """A file whose column changed type is named with both types."""
    path = plant.incoming / f"{DAYS[2]}.parquet"
    deliver(table(DAYS[2]).assign(load="high"), path)
    (reason,) = plant.score().schema_mismatch
    assert reason.endswith('string in "load", which must be a number')


def test_extra_column_is_ignored(plant, undisturbed):
    """A column that the model never saw changes no verdict."""
    path = plant.incoming / f"{DAYS[2]}.parquet"
    deliver(table(DAYS[2]).assign(operator="ann"), path)
    plant.score()
    pd.testing.assert_frame_equal(
        verdicts(plant.output), verdicts(undisturbed.output), check_exact=True
    )


def test_file_without_rows_is_nothing(plant):
    """An empty day neither fails nor makes a partition."""
    deliver(table("2026-01-06").iloc[:0], plant.incoming / "2026-01-06.parquet")
    summary = plant.score()
    assert (summary.files, summary.partitions, summary.unreadable) == (4, 3, ())


def test_input_that_is_gone_removes_nothing(plant):
    """An unmounted folder or an emptied one is an error, not a reason to withdraw all scores."""
    plant.score()
    before = stamps(plant.output)
    for path in plant.incoming.iterdir():
        path.unlink()
    with pytest.raises(NoData, match="no Parquet file"):
        plant.score()
    plant.incoming.rmdir()
    with pytest.raises(NoData, match="no such file or folder"):
        plant.score()
    assert stamps(plant.output) == before


def test_time_zone_that_appears_is_refused(plant):
    """Timestamps that gained a zone since training would change meaning; the rest is scored."""
    rows = table(DAYS[2])
    rows["time"] = rows["time"].dt.tz_localize("UTC")
    deliver(rows, plant.incoming / "zoned.parquet")
    summary = plant.score()
    assert summary.schema_mismatch == (
        'zoned.parquet: has a time zone in "time" and had none in training',
    )
    assert summary.partitions == len(DAYS)


def test_input_of_which_nothing_fits_is_an_alert(plant):
    """A column that was renamed at the source must not look like a night without events."""
    for day in DAYS:
        deliver(table(day).drop(columns="load"), plant.incoming / f"{day}.parquet")
    (alert,) = plant.score().alerts.values()
    assert alert.startswith("none of the 3 files can be scored")


def test_model_that_does_not_exist_is_refused(plant):
    """The message names the versions that do exist."""
    with pytest.raises(UnknownModel, match="plant/1 @champion"):
        plant.score(model="plant/9")
    assert not list(plant.output.rglob("*.parquet"))


def test_output_of_another_detector_is_refused(plant):
    """Two detectors do not share a folder."""
    plant.score()
    before = stamps(plant.output)
    other = TrainingRecord(
        name="press",
        variant="linear",
        parameters={},
        epochs=[],
        metrics={},
        data_source="",
        data_fingerprint="f",
        data_columns={"time": "timestamp"},
        config_hash="c",
        tags={},
    )
    folder = registry.fetch_version(
        registry.find_version("plant/1", tracking_uri=plant.uri), tracking_uri=plant.uri
    )
    uri = f"sqlite:///{plant.folder}/mlruns/mlflow.db"
    registry.register_version(folder, record=other, tracking_uri=uri)
    with pytest.raises(OutputError, match='holds scores of "plant", not of "press"'):
        Plant(folder=plant.folder, uri=uri).score(model="press")
    assert stamps(plant.output) == before


@pytest.mark.parametrize(("first", "then"), [("day", "hour"), ("hour", "day")])
def test_other_partitioning_is_refused(plant, first, then):
    """An output is cut in one way."""
    plant.score(partition=first)
    before = stamps(plant.output)
    with pytest.raises(OutputError, match=f'must be partitioned by "{then}"'):
        plant.score(partition=then)
    assert stamps(plant.output) == before


@pytest.mark.parametrize(
    "place",
    [
        f"scores/date={DAYS[0]}/part-0.parquet",
        f"scores/date={DAYS[0]}/copy.parquet",
        f"events/date={DAYS[0]}/part-0.parquet",
        f"events/date={DAYS[0]}/copy.parquet",
        "scores/all.parquet",
    ],
)
def test_foreign_file_in_the_output_is_refused(plant, place):
    """A file that aedetect did not write would be read as scores, so it must go first."""
    foreign = deliver(table(DAYS[0]), plant.output / place)
    with pytest.raises(OutputError, match=foreign.name):
        plant.score()
    assert foreign.exists()


@pytest.fixture
def second_champion(plant):
    """Promote plant/2, and put plant/1 back afterwards."""
    versions = [registry.find_version(f"plant/{n}", tracking_uri=plant.uri) for n in (1, 2)]
    yield lambda: registry.promote_version(versions[1], tracking_uri=plant.uri)
    registry.promote_version(versions[0], tracking_uri=plant.uri)


def test_new_champion_changes_no_existing_output(plant, second_champion):
    """Only new partitions use it, until all are scored again on request."""
    plant.score()
    before = stamps(plant.output)
    second_champion()
    assert plant.score().partitions == 0
    assert stamps(plant.output) == before
    deliver(table("2026-01-07"), plant.incoming / "2026-01-07.parquet")
    plant.score()
    made_by = {day: read_origin(score_file(plant, day)) for day in (*DAYS, "2026-01-07")}
    assert [origin.model_version for origin in made_by.values()] == [1, 1, 1, 2]
    hashes = {origin.config_hash for origin in made_by.values()}
    assert len(hashes) == 2
    assert rewritten(plant.output, before) == {"date=2026-01-07"}
    plant.score(force=True)
    assert {read_origin(score_file(plant, day)).model_version for day in made_by} == {2}


def test_rescoring_skips_what_the_current_model_made(plant, second_champion):
    """It scores again what another model made; after an interruption it continues."""
    plant.score()
    times = stamps(plant.output)
    assert plant.score(rescore=True).current == 3
    assert stamps(plant.output) == times
    second_champion()
    span = Span(None, parse_instant(DAYS[1]))
    assert (plant.score(rescore=True, span=span).partitions) == 1
    rest = plant.score(rescore=True)
    assert (rest.partitions, rest.current) == (2, 1)
    before = contents(plant.output)
    plant.score(force=True)
    assert contents(plant.output) == before


def test_scoring_with_another_version(plant):
    """Its verdicts go to a separate folder; the configured output does not change."""
    plant.score()
    before = stamps(plant.output)
    assert plant.score(model="plant/2", output="other").model == "plant/2"
    assert stamps(plant.output) == before
    made_by = read_origin(plant.folder / "other" / "scores" / f"date={DAYS[0]}" / "part-0.parquet")
    assert made_by.model_version == 2


def test_a_span_is_scored_again(plant):
    """Only the partitions that overlap the span are computed again."""
    plant.score()
    times = stamps(plant.output)
    span = Span(parse_instant("2026-01-04T12:00"), parse_instant("2026-01-05"))
    summary = plant.score(span=span, force=True)
    assert (summary.partitions, rewritten(plant.output, times)) == (1, {f"date={DAYS[1]}"})


def test_footers_record_the_origin_of_a_file(undisturbed):
    """Both files contain versions, configuration and the fingerprints of all inputs."""
    config = undisturbed.config()
    for kind in ("scores", "flagged", "events"):
        origin = read_origin(undisturbed.output / kind / f"date={DAYS[1]}" / "part-0.parquet")
        assert (origin.model_name, origin.model_version) == ("plant", 1)
        assert origin.calibration_version == 1
        assert origin.config_hash == config.hash
        assert list(origin.inputs) == [f"{day}.parquet" for day in DAYS[:2]]
        assert all(len(fingerprint) == 32 for fingerprint in origin.inputs.values())


SCORE_COLUMNS = {
    "timestamp": pa.timestamp("us"),
    "entity": pa.string(),
    "score": pa.float32(),
    "p_value": pa.float64(),
    "verdict": pa.string(),
    "reason": pa.string(),
}
CAUSES = pa.list_(
    pa.struct(
        {
            "feature": pa.string(),
            "share": pa.float64(),
            "observed": pa.float64(),
            "expected": pa.float64(),
            "unusual": pa.string(),
        }
    )
)
FLAG_COLUMNS = {
    **SCORE_COLUMNS,
    "threshold": pa.float64(),
    "strength": pa.float64(),
    "severity": pa.string(),
    "event_id": pa.string(),
    "causes": CAUSES,
    "blame": pa.float32(),
    "outside": pa.list_(
        pa.struct({"feature": pa.string(), "low": pa.float64(), "high": pa.float64()})
    ),
    "model_name": pa.string(),
    "model_version": pa.int32(),
    "calibration_version": pa.int32(),
}


EVENT_COLUMNS = {
    "event_id": pa.string(),
    "incident_id": pa.string(),
    "entity": pa.string(),
    "start": pa.timestamp("us"),
    "end": pa.timestamp("us"),
    "rows": pa.int64(),
    "peak_timestamp": pa.timestamp("us"),
    "peak_score": pa.float32(),
    "threshold": pa.float64(),
    "p_value": pa.float64(),
    "strength": pa.float32(),
    "severity": pa.string(),
    "causes": CAUSES,
    "text": pa.string(),
    "suppressed": pa.string(),
    "model_name": pa.string(),
    "model_version": pa.int32(),
    "calibration_version": pa.int32(),
}


@pytest.mark.parametrize(
    ("kind", "columns"),
    [("scores", SCORE_COLUMNS), ("flagged", FLAG_COLUMNS), ("events", EVENT_COLUMNS)],
)
def test_columns_and_types(undisturbed, kind, columns):
    """Files have the documented columns, those of days without a flag too."""
    for path in (undisturbed.output / kind).rglob("*.parquet"):
        schema = pq.read_schema(path)
        assert dict(zip(schema.names, schema.types, strict=True)) == columns


def test_every_input_row_is_scored_once(undisturbed):
    """Entities and timestamps of the scores are those of the input, repeats included."""
    rows = pd.concat([pd.read_parquet(path) for path in undisturbed.incoming.iterdir()])
    expected = rows.rename(columns={"time": "timestamp", "unit": "entity"})
    keys = ["entity", "timestamp"]
    pd.testing.assert_frame_equal(
        verdicts(undisturbed.output)[keys],
        expected[keys].sort_values(keys, ignore_index=True),
        check_dtype=False,
    )


def test_rows_that_were_not_scored_have_a_reason(undisturbed):
    """Rows that cannot be scored have no score and a reason."""
    rows = verdicts(undisturbed.output)
    silent = rows["verdict"] == "not_scored"
    assert (rows["score"].isna() == silent).all()
    assert (rows["p_value"].isna() == silent).all()
    by_rule = rows[rows["reason"].notna() & ~silent]
    assert set(by_rule["verdict"]) == {"anomaly"}
    far = ["cpu is far beyond its training range"] * 11
    assert sorted(by_rule["reason"]) == [*far, "load is missing"]
    assert rows.loc[silent, "reason"].notna().all()
    assert rows.loc[silent, "reason"].value_counts().to_dict() == {
        "needs 3 earlier rows": 6,  # both units' first
        "needs 3 earlier rows without a gap over 5min": 3,
        "unseen entity": 10,
        "all features are missing": 1,
        "disk is infinite": 1,
        "duplicate timestamp": 1,
    }


def test_flagged_rows_are_the_anomalies(undisturbed):
    """The flagged rows are the scores' anomalies, each above its threshold."""
    rows = verdicts(undisturbed.output)
    flagged = ds.dataset(undisturbed.output / "flagged", partitioning="hive").to_table().to_pandas()
    keys = ["entity", "timestamp", "score"]
    anomalies = rows[rows["verdict"] == "anomaly"]
    pd.testing.assert_frame_equal(
        flagged[keys].sort_values(keys, ignore_index=True),
        anomalies[keys].reset_index(drop=True),
        check_dtype=False,
    )
    by_score = flagged["reason"].isna()
    assert (flagged["score"] > flagged["threshold"])[by_score].all()
    far = ["cpu is far beyond its training range"] * 11
    assert sorted(flagged.loc[~by_score, "reason"]) == [*far, "load is missing"]
    assert flagged["timestamp"].between("2026-01-04 05:00", "2026-01-04 05:10").sum() >= 10
    assert set(flagged["severity"]) <= {"info", "warning", "critical"}


def test_causes_add_up_with_the_largest_first(undisturbed):
    """Shares sum to 1 over all features, and the injected fault has the largest."""
    flagged = ds.dataset(undisturbed.output / "flagged", partitioning="hive").to_table().to_pylist()
    for row in flagged:
        shares = [cause["share"] for cause in row["causes"]]
        assert sum(shares) == pytest.approx(1, abs=1e-12)
        assert shares == sorted(shares, reverse=True)
        assert {cause["feature"] for cause in row["causes"]} == {"cpu", "load", "disk"}
    worst = min(flagged, key=lambda row: (row["p_value"], -row["score"]))
    assert worst["causes"][0]["feature"] == "cpu"
    assert worst["causes"][0]["observed"] == 500
    assert 0 < worst["causes"][0]["expected"] < 500


def test_output_is_read_by_other_tools(undisturbed):
    """pandas, pyarrow and DuckDB read the folder as it stands, with the date as a column."""
    root = undisturbed.output / "scores"
    count = ARRIVED
    frame = pd.read_parquet(root)
    assert (len(frame), sorted(frame["date"].astype(str).unique())) == (count, sorted(DAYS))
    assert ds.dataset(root, partitioning="hive").count_rows() == count
    found = duckdb.sql(f"SELECT count(*), count(DISTINCT date) FROM '{root}/**/*.parquet'")
    assert found.fetchall() == [(count, 3)]


def test_output_holds_nothing_else(undisturbed):
    """Only the four kinds of files and a cache, without random names."""
    kinds = {"scores", "flagged", "events", "drift"}
    expected = {f"{kind}/date={day}/part-0.parquet" for kind in kinds for day in DAYS}
    assert set(contents(undisturbed.output)) == expected
    assert {path.name for path in undisturbed.output.iterdir()} - {".cache"} == kinds


@contextmanager
def files_limited_to(size):
    """Let no file of this process grow beyond a size, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_failed_write_leaves_old_files_intact(plant):
    """If a file cannot be written completely, there is an error and the old file stays."""
    plant.score()
    before, times = contents(plant.output), stamps(plant.output)
    with files_limited_to(10_000), pytest.raises(OutputError, match="cannot be written"):
        plant.score(force=True)
    assert contents(plant.output) == before
    assert stamps(plant.output) == times


@pytest.fixture
def small_disk(plant):
    """Mount a file system that holds one day of scores and not two."""
    plant.output.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=72k", "tmpfs", str(plant.output)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield
    subprocess.run(["umount", str(plant.output)], check=True)


def test_full_disk_keeps_what_was_written(plant, small_disk):
    """Days that fitted are complete, and the run ends with a message."""
    with pytest.raises(OutputError, match="No space left"):
        plant.score()
    assert len(verdicts(plant.output)) == ROWS
    assert not (plant.output / ".aside").exists()


@pytest.mark.parametrize(
    "blocked",
    ["output", "output/scores", "output/flagged", "output/events", "output/.aside"],
)
def test_folder_that_cannot_be_made_is_an_output_error(plant, blocked):
    """Where a file stands in the way of a folder, the message says what cannot be written."""
    obstacle = plant.folder / blocked
    obstacle.parent.mkdir(exist_ok=True)
    obstacle.write_text("in the way")
    with pytest.raises(OutputError, match="output"):
        plant.score()
    assert obstacle.read_text() == "in the way"


def test_leftovers_of_a_killed_run_are_swept(plant, undisturbed):
    """A run removes the temporary files of a killed one."""
    left = plant.output / ".aside" / "0123"
    left.mkdir(parents=True)
    (left / "scores.parquet").write_bytes(b"half")
    plant.score()
    assert contents(plant.output) == contents(undisturbed.output)
    assert not (plant.output / ".aside").exists()


@pytest.mark.parametrize("output", ["incoming/verdicts", "incoming", "."])
def test_an_output_inside_of_the_input_is_refused(plant, output):
    """Its verdicts would be taken for rows in the next run; nothing is written before that."""
    given = {"input": "."} if output == "." else {}
    with pytest.raises(ConfigError, match=r"\[scoring\] output must lie outside .* would read"):
        plant.score(output=output, clock=lambda: datetime.now(UTC), **given)
    assert not {"scores", "runs", ".aside"} & {path.name for path in plant.folder.rglob("*")}
    assert plant.score(output="incoming/_verdicts").rows == ARRIVED


def test_an_output_inside_of_the_training_data_is_refused(plant, tmp_path):
    """A detector would learn from its own verdicts."""
    given = plant.given()
    given["data"]["train"] = "."
    config = make_config(given, folder=plant.folder)
    with pytest.raises(ConfigError, match=r"outside of what is read, .* which \[data\] train = "):
        ingest_rows(config, tmp_path)
