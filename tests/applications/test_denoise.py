"""Denoising: closer to the truth, and other cells unchanged."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aedetect.applications import clean_rows
from aedetect.applications.denoise import clean_reach
from aedetect.config import make_config
from aedetect.data import Rows
from aedetect.errors import OutputError, SchemaMismatch
from aedetect.jobs import dataset, fit_scorer, rewriting, training
from aedetect.jobs.scoring import Model
from aedetect.output.partitions import Span
from aedetect.preprocessing.windows import surrounded

LENGTH, SIGNALS = 8, 6


def signals(rows: int, *, seed: int, noise: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Two units whose six columns follow one slow wave, with noise and without."""
    random = np.random.default_rng(seed)
    tables, truths = [], []
    for unit in ("a", "b"):
        wave = np.sin(np.arange(rows) * 2 * np.pi / 200 + random.uniform(0, 6))
        truth = np.stack([(k + 1) * wave + 10 * k for k in range(SIGNALS)], axis=1)
        noised = truth + random.normal(scale=noise, size=truth.shape) * np.arange(1, SIGNALS + 1)
        table = pd.DataFrame(noised, columns=[f"s{k}" for k in range(SIGNALS)])
        table.insert(0, "time", pd.date_range("2026-01-01", periods=rows, freq="min"))
        table.insert(1, "unit", unit)
        tables.append(table)
        truths.append(truth)
    return pd.concat(tables, ignore_index=True), np.concatenate(truths)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a configuration's data, and a table to clean."""
    place = tmp_path_factory.mktemp("clean")
    signals(2_000, seed=0, noise=0.4)[0].to_parquet(place / "train.parquet", index=False)
    return place


@pytest.fixture(scope="module")
def config(folder):
    """A linear detector: it spans the one direction that the columns share."""
    return make_config(
        {
            "detector": {"name": "waves"},
            "data": {"train": "train.parquet", "timestamp": "time", "entity": "unit"},
            "window": {"length": LENGTH},
            "model": {"variant": "linear", "latent": 2},
            "calibration": {"false_alarm_rate": 0.02},
            "scoring": {"input": "incoming.parquet"},
        },
        folder=folder,
    )


@pytest.fixture(scope="module")
def detector(config, tmp_path_factory):
    """The trained detector."""
    scratch = tmp_path_factory.mktemp("scratch")
    ingested = dataset.ingest_rows(config, scratch)
    prepared = dataset.prepare_rows(config, ingested, scratch)
    trained = fit_scorer.train_scorer(config, ingested, prepared)
    return training.calibrate_detector(config, ingested, prepared, trained)


@pytest.fixture
def clean(config, detector, folder, tmp_path, monkeypatch):
    """Clean a table with the detector, without a registry."""
    saved = tmp_path / "detector"
    detector.save(saved)
    monkeypatch.setattr(
        rewriting, "resolve_model", lambda _: Model(folder=str(saved), name="w", version=1)
    )

    def clean(table, *, to="out.parquet", columns=(), span=None):
        pq.write_table(table, folder / "incoming.parquet")
        done = rewriting.clean_table(config, to=tmp_path / to, columns=columns, span=span or Span())
        return done, pq.read_table(tmp_path / to)

    return clean


def as_rows(frame: pd.DataFrame) -> Rows:
    """The rows of an ordered table."""
    return Rows(
        time=frame["time"].astype("datetime64[ns]").astype(np.int64).to_numpy(),
        entity=(frame["unit"] == "b").to_numpy().astype(np.int32),
        names=("a", "b"),
        values=frame.filter(like="s").to_numpy(),
    )


def arrow(frame: pd.DataFrame) -> pa.Table:
    """A table as it is written."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def error(table: pa.Table, truth: np.ndarray) -> float:
    """The error of a table, each column relative to its own size."""
    values = table.to_pandas().filter(like="s").to_numpy()
    return float(np.sqrt(np.mean(((values - truth) / np.arange(1, SIGNALS + 1)) ** 2)))


def test_cleaned_is_nearer_the_truth(clean):
    """Noise on correlated columns is reduced by more than half."""
    frame, truth = signals(500, seed=1, noise=0.4)
    done, cleaned = clean(arrow(frame))
    assert done.rows_changed == len(frame)
    assert error(cleaned, truth) < 0.5 * error(arrow(frame), truth)


def test_other_cells_keep_their_bits(clean):
    """Only the requested columns and times change; all else is unchanged, in its own type."""
    frame, _ = signals(100, seed=2, noise=0.4)
    frame["note"] = [f"n{k}" for k in range(len(frame))]
    table = arrow(frame).set_column(3, "s1", pa.array(frame["s1"].to_numpy(), pa.float32()))
    minute = 60_000_000_000
    since = frame["time"][0].value + 10 * minute
    done, cleaned = clean(table, columns=("s2",), span=Span(since, since + 5 * minute))
    assert cleaned.schema.remove_metadata() == table.schema.remove_metadata()
    assert cleaned.drop(["s2"]).equals(table.drop(["s2"]))
    differs = cleaned["s2"].to_numpy() != table["s2"].to_numpy()
    assert np.flatnonzero(differs).tolist() == [*range(10, 15), *range(110, 115)]
    assert (done.cells_changed, done.rows_changed) == (10, 10)


def test_rows_in_no_full_window_stay(clean):
    """Rows that cannot be cleaned stay, counted by reason; missing cells stay missing."""
    frame, _ = signals(40, seed=3, noise=0.4)
    frame.loc[3, "s0"] = np.nan  # filled forward from the row before
    frame.loc[20, "s1"] = np.inf
    alone = frame.iloc[[39]].assign(time=frame["time"][39] + pd.Timedelta("1h"))
    unseen = frame.iloc[:20].assign(unit="c")
    undated = frame.iloc[[0]].assign(time=pd.NaT)
    table = arrow(pd.concat([frame, alone, unseen, undated]))
    done, cleaned = clean(table)
    assert done.left == {
        f"no full window of {LENGTH} rows covers it": 1,
        "a feature is infinite": 1,
        "unseen entity": 20,
        "timestamp is missing": 1,
    }
    assert done.rows == len(table) == len(cleaned)
    assert np.isnan(cleaned["s0"].to_numpy()[3])
    assert cleaned["s0"][20] == table["s0"][20]
    assert cleaned["s1"].to_pylist()[-21:-1] == unseen["s1"].tolist()


def test_whole_numbers_stay_whole(clean):
    """A cleaned column keeps its type, and no value leaves the type's range."""
    frame, _ = signals(60, seed=4, noise=0.4)
    frame["s0"] = frame["s0"].clip(0).round().astype("uint8")
    _, cleaned = clean(arrow(frame))
    assert cleaned.schema.field("s0").type == pa.uint8()
    assert cleaned["s0"].to_numpy().max() <= 2


def test_does_not_depend_on_batches(detector):
    """A cleaned row does not depend on how rows are cut into batches."""
    frame, _ = signals(150, seed=5, noise=0.4)
    rows = as_rows(frame)
    whole = clean_rows(detector.scorer, rows).values
    reach = clean_reach(detector.scorer)
    for size in (7, 40, 151):
        batches = [rows.take(slice(k, k + size)) for k in range(0, len(rows), size)]
        turns = surrounded(batches, behind=reach.behind, ahead=reach.ahead, lookback=reach.lookback)
        change = partial(clean_rows, detector.scorer)
        parts = [change(around).values[turn] for around, turn in turns]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_repeated_timestamps_stay(detector):
    """Of rows with the same timestamp, the first is cleaned."""
    frame, _ = signals(30, seed=6, noise=0.4)
    rows = as_rows(frame)
    again = np.sort(np.append(np.arange(len(rows)), 12))
    change = clean_rows(detector.scorer, rows.take(again))
    assert change.reasons[change.reason[13]] == "repeats a timestamp"
    once = clean_rows(detector.scorer, rows)
    np.testing.assert_array_equal(np.delete(change.values, 13, axis=0), once.values)


def test_refuses_to_write_over_the_input_or_what_others_wrote(clean, folder, tmp_path):
    """The input is never replaced, nor a folder with other content."""
    frame, _ = signals(30, seed=7, noise=0.4)
    with pytest.raises(OutputError, match="another place than the input"):
        clean(arrow(frame), to=folder / "incoming.parquet")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(OutputError, match=r"thesis\.txt"):
        clean(arrow(frame), to="mine")


def test_writes_a_folder_of_parts_and_twice_the_same(clean, tmp_path):
    """A second run gives the same bytes, and removes parts that are no longer written."""
    frame, _ = signals(30, seed=8, noise=0.4)
    _, first = clean(arrow(frame), to="parts")
    part = tmp_path / "parts" / "part-0.parquet"
    before = part.read_bytes()
    (tmp_path / "parts" / "part-1.parquet").write_bytes(before)
    _, second = clean(arrow(frame), to="parts")
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["part-0.parquet"]
    assert part.read_bytes() == before
    assert first.equals(second)


def test_names_the_nearest_column(clean):
    """A column that is not a feature is refused."""
    frame, _ = signals(30, seed=9, noise=0.4)
    with pytest.raises(SchemaMismatch, match='did you mean "s2"'):
        clean(arrow(frame), columns=("ss2",))


def test_each_row_has_its_turn_once():
    """In order, and with the required surrounding rows of its entity."""
    frame, _ = signals(100, seed=10, noise=0.1)
    rows = as_rows(frame)
    batches = [rows.take(slice(k, k + 9)) for k in range(0, len(rows), 9)]
    seen = 0
    for around, turn in surrounded(batches, behind=5, ahead=4, lookback=0):
        count = turn.stop - turn.start
        np.testing.assert_array_equal(around.values[turn], rows.values[seen : seen + count])
        seen += count
        to_come = 100 - seen % 100 if seen % 100 else 0  # of the same unit
        assert len(around) - turn.stop >= min(4, to_come)
        assert turn.start >= min(5, (seen - count) % 100)
    assert seen == len(rows)
