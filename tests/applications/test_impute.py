"""Imputation: better than interpolation and medians, and observed cells unchanged."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from aedetect.applications import impute_rows
from aedetect.applications.impute import impute_reach
from aedetect.config import make_config
from aedetect.data import Rows
from aedetect.jobs import dataset, fit_scorer, rewriting, training
from aedetect.jobs.scoring import Model
from aedetect.output.partitions import Span
from aedetect.preprocessing.windows import surrounded

LENGTH = 8
SAMPLE = Path(__file__).parents[2] / "data" / "smd" / "train.parquet"


def machines(rows: int, *, seed: int) -> pd.DataFrame:
    """Two units, four columns that follow one fluctuating load, and whether it is high."""
    random = np.random.default_rng(seed)
    tables = []
    for unit in ("p", "q"):
        load = random.normal(size=rows + 4)
        load = np.convolve(load, np.ones(5) / 2, mode="valid")
        table = pd.DataFrame(
            {name: (k + 1) * load + random.normal(size=rows) * 0.1 for k, name in enumerate("abcd")}
        )
        table["state"] = np.where(load > 0, "high", "low")
        table.insert(0, "time", pd.date_range("2026-01-01", periods=rows, freq="min"))
        table.insert(1, "unit", unit)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def as_rows(frame: pd.DataFrame) -> Rows:
    """The rows of an ordered table."""
    values = frame[list("abcd")].assign(state=(frame["state"] == "low").astype(float))
    names = tuple(frame["unit"].unique())
    return Rows(
        time=frame["time"].astype("datetime64[ns]").astype(np.int64).to_numpy(),
        entity=frame["unit"].map({name: k for k, name in enumerate(names)}).to_numpy(np.int32),
        names=names,
        values=np.ascontiguousarray(values.to_numpy()),
    )


def hidden(rows: Rows, *, length: int, columns: int, seed: int = 0) -> np.ndarray:
    """Cells to hide: a gap in each 40 rows, of some rows in some columns."""
    random = np.random.default_rng(seed)
    chosen = np.zeros(rows.values.shape, dtype=bool)
    for start in range(10, len(rows) - length - 10, 40):
        chosen[start : start + length, random.choice(4, columns, replace=False)] = True
    return chosen


def without(rows: Rows, cells: np.ndarray) -> Rows:
    """The rows with some cells missing."""
    return replace(rows, values=np.where(cells, np.nan, rows.values))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A detector of the two units."""
    folder = tmp_path_factory.mktemp("impute")
    machines(3_000, seed=0).to_parquet(folder / "train.parquet", index=False)
    return make_config(
        {
            "detector": {"name": "machines"},
            "data": {"train": "train.parquet", "timestamp": "time", "entity": "unit"},
            "window": {"length": LENGTH},
            "model": {"variant": "linear", "latent": 10},
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


@pytest.mark.parametrize(("length", "columns"), [(1, 1), (1, 2), (5, 2), (30, 2)])
def test_beats_interpolation_and_medians(detector, length, columns):
    """For correlated columns, the model's error is below half of both others."""
    rows = as_rows(machines(800, seed=1))
    cells = hidden(rows, length=length, columns=columns)
    holed = without(rows, cells)
    frame = pd.DataFrame(holed.values)
    peers = frame.interpolate().to_numpy(), frame.fillna(frame.median()).to_numpy()
    size = np.array([1, 2, 3, 4, 1])

    def error(values: np.ndarray) -> float:
        return float(np.sqrt(np.mean(((values - rows.values) / size)[cells] ** 2)))

    filled = error(impute_rows(detector.scorer, holed).values)
    assert all(filled < 0.5 * error(peer) for peer in peers)


def test_observed_cells_keep_their_bits(config, detector, tmp_path, monkeypatch):
    """From file to file, only missing cells of the requested columns change."""
    detector.save(tmp_path / "detector")
    model = Model(folder=str(tmp_path / "detector"), name="m", version=1)
    monkeypatch.setattr(rewriting, "resolve_model", lambda _: model)
    frame = machines(60, seed=2).astype({"a": "float32"})
    frame.loc[10:14, ["a", "b", "state"]] = None
    frame.to_parquet(config.folder / "incoming.parquet", index=False)
    out = tmp_path / "out.parquet"
    done = rewriting.impute_table(config, to=out, columns=("a", "state"), span=Span())
    before, after = pq.read_table(config.folder / "incoming.parquet"), pq.read_table(out)
    assert (done.cells_changed, done.rows_changed, done.left) == (10, 5, {})
    assert after.schema.remove_metadata() == before.schema.remove_metadata()
    assert after.drop(["a", "state"]).equals(before.drop(["a", "state"]))
    for name in ("a", "state"):
        kept = [k for k in range(len(frame)) if not 10 <= k <= 14]
        assert after[name].take(kept).equals(before[name].take(kept))
        assert after[name].null_count == 0


def test_fills_a_category_with_one_of_its_values(detector):
    """The state follows from the other columns."""
    rows = as_rows(machines(400, seed=3))
    cells = np.zeros(rows.values.shape, dtype=bool)
    cells[10:-10:7, 4] = True
    filled = impute_rows(detector.scorer, without(rows, cells)).values
    assert set(np.unique(filled[:, 4])) <= {0.0, 1.0}
    assert np.mean(filled[cells] == rows.values[cells]) > 0.8


def test_fills_gaps_that_are_too_long_for_scoring(detector):
    """Cells missing for longer than the forward-fill, or from the first row, are filled."""
    rows = as_rows(machines(200, seed=4))
    cells = np.zeros(rows.values.shape, dtype=bool)
    cells[:120, 1] = True
    change = impute_rows(detector.scorer, without(rows, cells))
    assert (change.reason < 0).all()
    error = (change.values - rows.values)[cells]
    assert np.sqrt(np.mean(error**2)) < 0.5 * rows.values[:, 1].std()


def test_reports_which_rows_are_unchanged(detector):
    """Runs shorter than a window, unseen entities and repeated timestamps are unchanged."""
    frame = machines(30, seed=5)
    late = frame["time"] + pd.to_timedelta(np.where(frame.index % 30 >= 25, 60, 0), unit="min")
    rows = as_rows(frame.assign(time=late).replace({"unit": {"q": "r"}}))
    cells = np.zeros(rows.values.shape, dtype=bool)
    cells[[5, 27, 40], 0] = True
    again = np.sort(np.append(np.arange(len(rows)), 5))
    change = impute_rows(detector.scorer, without(rows, cells).take(again))
    said = {row: change.reasons[change.reason[row]] for row in np.flatnonzero(change.reason >= 0)}
    assert said == {
        6: "repeats a timestamp",
        28: f"fewer than {LENGTH} rows around it without a gap",
        41: "unseen entity",
    }


def test_nothing_missing_nothing_wanted(detector):
    """A complete table is unchanged, infinite cells too."""
    rows = as_rows(machines(40, seed=6))
    rows.values[7, 0] = np.inf
    assert not impute_rows(detector.scorer, rows).wanted.any()


def test_does_not_depend_on_batches(detector):
    """A filled cell does not depend on how rows are cut into batches."""
    rows = as_rows(machines(3_000, seed=7))
    holed = without(rows, hidden(rows, length=12, columns=2))
    holed.values[1_000:2_500, 3] = np.nan
    whole = impute_rows(detector.scorer, holed).values
    reach = impute_reach(detector.scorer)
    batches = [holed.take(slice(k, k + 400)) for k in range(0, len(rows), 400)]
    turns = surrounded(batches, behind=reach.behind, ahead=reach.ahead, lookback=reach.lookback)
    change = partial(impute_rows, detector.scorer)
    parts = [change(around).values[turn] for around, turn in turns]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("length", "columns"), [(1, 10), (10, 5), (120, 5)])
def test_beats_interpolation_and_medians_on_the_sample(sample, length, columns):
    """On hidden cells of real servers, in rows that the model was not trained on."""
    scorer, rows = sample
    scale = np.nanstd(rows.values, axis=0)
    cells = np.zeros(rows.values.shape, dtype=bool)
    random = np.random.default_rng(0)
    for start in range(50, len(rows) - length - 50, 2 * length + 30):
        chosen = random.choice(np.flatnonzero(scale > 0), columns, replace=False)
        cells[start : start + length, chosen] = True
    holed = without(rows, cells)
    frame = pd.DataFrame(holed.values)
    peers = frame.interpolate().to_numpy(), frame.fillna(frame.median()).to_numpy()

    def error(values: np.ndarray) -> float:
        wrong = ((values - rows.values) / np.where(scale > 0, scale, 1))[cells]
        return float(np.sqrt(np.mean(wrong**2)))

    filled = error(impute_rows(scorer, holed).values)
    assert all(filled < error(peer) for peer in peers)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A linear detector of one server of the sample, and the rows it was calibrated on."""
    folder = tmp_path_factory.mktemp("sample")
    table = pq.read_table(SAMPLE, filters=[("entity", "==", "machine-1-6")])
    pq.write_table(table, folder / "train.parquet")
    config = make_config(
        {
            "detector": {"name": "server"},
            "data": {"train": "train.parquet", "timestamp": "timestamp", "entity": "entity"},
            "model": {"variant": "linear"},
        },
        folder=folder,
    )
    ingested = dataset.ingest_rows(config, folder)
    prepared = dataset.prepare_rows(config, ingested, folder)
    scorer = fit_scorer.train_scorer(config, ingested, prepared).scorer
    return scorer, ingested.rows.take(slice(int(0.82 * len(ingested.rows)), None))
