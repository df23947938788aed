"""The distance of a window from typical shapes, a member of the score "ensemble"."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from aedetect.detector.calibrated_scorer import CalibratedScorer
from aedetect.detector.description import DETECTOR
from aedetect.detector.shapes import weighted
from aedetect.errors import BrokenDetector, ConfigError
from aedetect.jobs.fit_scorer import series_of
from aedetect.preprocessing import Part
from aedetect.preprocessing.windows import gather
from aedetect.scoring import score_frame
from aedetect.training.shapes import fit_shapes

LENGTH = 8
SETTINGS = {
    "window": {"length": LENGTH},
    "calibration": {"shapes": 1.0, "false_alarm_rate": 0.02},
    "training": {"epochs": 8},
}


def waves(rows, *, seed=0, double=False):
    """Two machines whose pulses come every 20 to 24 rows; in some rows two bumps instead of one."""
    random = np.random.default_rng(seed)
    parts = []
    for unit in ("east", "west"):
        phase = np.cumsum(1 / random.uniform(20, 24, rows)) % 1
        wave = np.exp(-np.square((phase - 0.5) / 0.15)) * 3
        if double:
            bumps = [np.exp(-np.square((phase - middle) / 0.09)) for middle in (0.38, 0.62)]
            wave = np.where(np.arange(rows) // 200 % 4 == 3, 3 * sum(bumps), wave)
        noise = random.normal(0, 0.05, (2, rows))
        time = pd.date_range("2026-01-01", periods=rows, freq="1min")
        parts.append(
            pd.DataFrame({"time": time, "unit": unit, "a": wave + noise[0], "b": -wave + noise[1]})
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def learnt(write, learn, tmp_path_factory):
    """A detector with typical shapes, and its training rows."""
    folder = tmp_path_factory.mktemp("shapes")
    write(waves(1_500), folder / "train.parquet")
    found = learn(folder, **SETTINGS)
    return found, series_of(found.ingested, found.prepared)


def every(series):
    """Request all rows."""
    return np.ones(len(series.back), dtype=bool)


def test_the_distance_is_that_to_the_nearest_centre(learnt):
    """As computed from whole windows, cell by cell, and it is the sum of its columns' parts."""
    found, series = learnt
    for bank in found.detector.scorer.shapes.banks:
        rows = np.flatnonzero(series.back >= bank.length - 1)[::7]
        squared, nearest = bank.nearest(series.matrix, rows)
        windows = gather(series.matrix, rows, length=bank.length).astype(np.float64)
        shapes = windows - windows.mean(axis=1, keepdims=True)
        centres = np.einsum("cq,qtd->ctd", bank.centres, bank.basis)
        apart = np.square(shapes[:, None] - centres[None]).sum(axis=(2, 3)) / bank.cells
        assert squared == pytest.approx(apart.min(axis=1), abs=1e-5)
        split = bank.split(series.matrix, rows, nearest)
        assert split.sum(axis=1) == pytest.approx(squared, abs=1e-5)
        assert (split >= 0).all()


def test_the_basis_is_orthonormal_and_of_shapes(learnt):
    """Each column of a direction adds up to 0."""
    found, _ = learnt
    for bank in found.detector.scorer.shapes.banks:
        flat = bank.basis.reshape(len(bank.basis), -1)
        assert flat @ flat.T == pytest.approx(np.eye(len(flat)), abs=1e-4)
        assert bank.basis.sum(axis=1) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("begin", [0, 3, 517, 1_500])
def test_scores_do_not_depend_on_the_batch(learnt, begin):
    """To the bit, whichever rows are requested."""
    found, series = learnt
    scorer = found.detector.scorer
    whole, judged = scorer.judge(series, every(series))
    asked = np.zeros(len(series.back), dtype=bool)
    asked[begin : begin + 41 : 2] = True
    rows, some = scorer.judge(series, asked)
    assert len(rows)
    assert np.array_equal(some.score, judged.score[np.searchsorted(whole, rows)])


def test_the_score_splits_over_features(learnt):
    """The parts add up to it; muting all features leaves nothing but rounding."""
    found, series = learnt
    _, judged = found.detector.scorer.judge(series, every(series))
    parts = judged.parts.take(np.arange(0, len(judged.score), 11))
    cells = parts.contributions()
    assert (cells >= 0).all()
    assert cells.sum(axis=1) == pytest.approx(parts.score(), rel=1e-3, abs=1e-4)
    assert (parts.without(np.ones(cells.shape, dtype=bool)) < 0.05).all()
    assert (parts.score(0.0) <= parts.score()).all()


def test_rows_without_a_whole_window_have_no_distance(learnt):
    """Nor have those whose window holds a masked cell, or reaches into planned work."""
    found, series = learnt
    scorer = found.detector.scorer
    hole, work = 400, 700
    masked, apart = np.zeros(series.observed.shape, dtype=bool), np.zeros(len(series.back), bool)
    masked[hole, 0] = True
    apart[work : work + LENGTH] = True  # windows of the network that touch one row of work
    rows = np.arange(LENGTH - 1, 1_000)
    _, errors = scorer.observe(replace(series, masked=masked, apart=apart), rows)
    for length, distance in zip((LENGTH, 2 * LENGTH), errors.shapes.distance, strict=True):
        none = rows < length - 1
        none |= (rows >= hole) & (rows < hole + length)
        none |= (rows >= work) & (rows < work + length)
        assert (distance == 0).tolist() == none.tolist()


def test_long_windows_alone_do_not_reach_into_planned_work(learnt):
    """Where the network's windows are too short to have a shape."""
    found, series = learnt
    work, shapes = 700, found.detector.scorer.shapes
    scorer = replace(found.detector.scorer, shapes=replace(shapes, banks=(None, shapes.banks[1])))
    apart = np.zeros(len(series.back), dtype=bool)
    apart[work : work + LENGTH] = True
    rows = np.arange(work - 20, work + 40)
    _, errors = scorer.observe(replace(series, apart=apart), rows)
    none = (rows >= work) & (rows < work + 2 * LENGTH)
    assert (errors.shapes.distance[1] == 0).tolist() == none.tolist()
    assert not errors.shapes.distance[0].any()


def test_a_curve_that_never_came_before_is_found(train_on):
    """By evidence alone the weight is chosen; without shapes the network reconstructs the curve."""
    learnt = train_on(
        waves(3_000), **(SETTINGS | {"calibration": {"shapes": None, "false_alarm_rate": 0.02}})
    )
    scorer = learnt.detector.scorer
    assert {each.shapes for each in learnt.trained.evidence} == {0.0, 1.0, 2.0}
    assert scorer.shapes.weight > 0
    later = waves(2_400, seed=1, double=True)
    label = np.arange(2_400) // 200 % 4 == 3
    precisions = []
    for shapes in (scorer.shapes, None):
        detector = replace(learnt.detector, scorer=replace(scorer, shapes=shapes))
        own = score_frame(detector, later[later.unit == "east"])["score"].to_numpy()
        known = ~np.isnan(own)
        precisions.append(average_precision_score(label[known], own[known]))
    missed, missed_without = 1 - np.array(precisions)
    assert missed < missed_without / 2


def test_noise_has_no_shapes(train_on, make_frame):
    """The evidence does not speak for them, and none are kept."""
    calibration = {"shapes": None, "false_alarm_rate": 0.02}
    found = train_on(make_frame(rows=1_200), **(SETTINGS | {"calibration": calibration}))
    assert len(found.trained.evidence) == 3
    assert found.detector.scorer.shapes is None


def test_switches_and_constants_do_not_count(train_on):
    """A column of two values would be far from every shape whenever it changes."""
    frame = waves(1_500)
    frame["switch"] = (np.arange(len(frame)) // 300 % 2).astype(float)
    scorer = train_on(frame, **SETTINGS).detector.scorer
    assert [bank.used.tolist() for bank in scorer.shapes.banks] == [[True, True, False]] * 2


def test_few_or_short_windows_have_no_shapes(learnt):
    """A centre needs several windows."""
    found, series = learnt
    learn, used = found.prepared.windows[Part.LEARN], np.ones(2, dtype=bool)
    few = replace(learn, ends=learn.ends[:150])
    assert fit_shapes(few, series.back, length=LENGTH, used=used) is None
    assert fit_shapes(learn, series.back, length=2, used=used) is None
    assert fit_shapes(learn, series.back, length=LENGTH, used=~used) is None


def test_a_saved_detector_has_its_shapes(learnt, tmp_path):
    """Loaded, it scores the same; forged sizes are refused."""
    found, series = learnt
    found.detector.save(tmp_path)
    again = CalibratedScorer.load(tmp_path).scorer
    assert again.shapes.weight == 1
    expected = found.detector.scorer.judge(series, every(series))[1].score
    assert np.array_equal(again.judge(series, every(series))[1].score, expected)
    described = json.loads((tmp_path / DETECTOR).read_text())
    described["arrays"]["shapes0_centres"][0] += 1
    (tmp_path / DETECTOR).write_text(json.dumps(described))
    with pytest.raises(BrokenDetector):
        CalibratedScorer.load(tmp_path)


def test_shapes_of_no_weight_are_none(learnt):
    """They would cost time alone."""
    shapes = learnt[0].detector.scorer.shapes
    assert weighted(shapes, 0) is None
    assert weighted(shapes, 2.0).weight == 2
    assert weighted(None, 1) is None


def test_a_weight_is_no_negative_number(configured, tmp_path):
    """The key is named."""
    with pytest.raises(ConfigError, match="shapes"):
        configured(tmp_path, calibration={"shapes": -1})
