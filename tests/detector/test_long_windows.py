"""Expected values averaged with those of a linear autoencoder of longer windows."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from aedetect.api import Detector
from aedetect.config import make_config
from aedetect.detector.calibrated_scorer import CalibratedScorer
from aedetect.detector.description import DETECTOR
from aedetect.detector.reconstruction import last_rows
from aedetect.errors import BrokenDetector, ConfigError
from aedetect.jobs.fit_scorer import series_of
from aedetect.preprocessing import Part, Windows
from aedetect.training.long_windows import MOST_CELLS, fit_long


@pytest.fixture(scope="module")
def learnt(make_frame, write, learn, tmp_path_factory):
    """A detector with long windows, and its training rows."""
    folder = tmp_path_factory.mktemp("long")
    write(make_frame(rows=600), folder / "train.parquet")
    found = learn(folder)
    return found, series_of(found.ingested, found.prepared)


def ends_of(series, least):
    """Rows with at least so many usable rows directly before."""
    return np.flatnonzero(series.back >= least)


def test_the_mean_of_both_is_expected_where_the_long_window_is_whole(learnt):
    """Elsewhere what the network expects."""
    found, series = learnt
    scorer = found.detector.scorer
    short, long = scorer.length, scorer.long.sizes.length
    assert long == 2 * short
    rows = ends_of(series, short - 1)
    own = last_rows(scorer.model, series.matrix, rows)
    whole = series.back[rows] >= long - 1
    assert 0 < whole.sum() < len(whole)
    other = last_rows(scorer.long, series.matrix, rows[whole])
    expected = scorer.expect(series, rows)
    assert np.array_equal(expected[whole], (own[whole] + other) / 2)
    assert np.array_equal(expected[~whole], own[~whole])
    assert np.array_equal(replace(scorer, long=None).expect(series, rows), own)


def test_two_linear_networks_are_one_map(learnt):
    """Within rounding the mean of both, also where a masked cell keeps them apart; bitwise alike.

    What a row is expected to be does not depend on which others are asked for.
    """
    found, series = learnt
    both = replace(found.detector.scorer, model=fit_short(found, series))
    masked = np.zeros(series.observed.shape, dtype=bool)
    masked[250:254, 0] = True
    for given in (series, replace(series, masked=masked)):
        rows = ends_of(given, both.length - 1)
        expected = both.expect(given, rows)
        own = last_rows(both.model, given.matrix, rows, masked=given.masked)
        whole = given.back[rows] >= both.long.sizes.length - 1
        other = last_rows(both.long, given.matrix, rows[whole], masked=given.masked)
        np.testing.assert_allclose(expected[whole], (own[whole] + other) / 2, atol=1e-5)
        assert np.array_equal(expected[~whole], own[~whole])
        some = np.arange(len(rows)) % 3 == 0
        assert np.array_equal(both.expect(given, rows[some]), expected[some])


def fit_short(found, series):
    """A linear autoencoder of windows as long as the network's."""
    length = found.detector.scorer.length
    windows = Windows(series.matrix, series.observed, ends_of(series, length - 1), length)
    return fit_long(windows, series.back, length=length, columns=series.observed.shape[1])


def test_a_long_window_does_not_reach_into_planned_work(learnt):
    """A row whose window alone lies behind it keeps the network's value."""
    found, series = learnt
    scorer = found.detector.scorer
    short, long = scorer.length, scorer.long.sizes.length
    work = 100  # one row of planned work
    apart = np.zeros(len(series.back), dtype=bool)
    apart[work : work + short] = True
    rows = np.arange(work + short, work + long + 2)
    expected = scorer.expect(replace(series, apart=apart), rows)
    own = last_rows(scorer.model, series.matrix, rows)
    alone = (expected == own).all(axis=1)
    assert alone.tolist() == (rows < work + long).tolist()


def test_other_scores_and_alignments_do_not_use_it(learnt):
    """They are those of the network."""
    found, series = learnt
    scorer = replace(found.detector.scorer, score="mse")
    rows = ends_of(series, scorer.length - 1)
    assert np.array_equal(scorer.expect(series, rows), last_rows(scorer.model, series.matrix, rows))
    centered = replace(found.detector.scorer, alignment="centered")
    without = replace(centered, long=None)
    assert np.array_equal(centered.expect(series, rows), without.expect(series, rows))


def test_the_subspace_is_that_of_the_long_windows(learnt):
    """Its error on them is the sum of the eigenvalues left out: Baldi, Hornik (1989), fact 4."""
    found, series = learnt
    learn, long = found.prepared.windows[Part.LEARN], found.detector.scorer.long
    length, columns = long.sizes.length, long.sizes.outputs
    ends = learn.ends[series.back[learn.ends] >= length - 1]
    values, _ = Windows(learn.matrix, learn.observed, ends, length).take(slice(None))
    cells = values[:, :, :columns].reshape(len(ends), -1).astype(np.float64)
    eigenvalues = np.linalg.eigvalsh(np.cov(cells.T, bias=True))
    import torch

    with torch.inference_mode():
        rebuilt = long(torch.from_numpy(values)).numpy()
    error = np.square(rebuilt - values[:, :, :columns]).sum(axis=(1, 2)).mean()
    assert error == pytest.approx(eigenvalues[: -long.sizes.latent].sum(), rel=1e-3)


def test_it_is_left_out_where_it_cannot_be_learnt(learnt):
    """With fewer windows than cells, or more cells than a covariance should have."""
    found, series = learnt
    learn, columns = found.prepared.windows[Part.LEARN], found.detector.scorer.long.sizes.outputs
    few = replace(learn, ends=learn.ends[:10])
    assert fit_long(few, series.back, length=8, columns=columns) is None
    too_long = MOST_CELLS // columns + 1
    assert fit_long(learn, series.back, length=too_long, columns=columns) is None


def test_rows_that_are_not_learnt_from_are_in_no_long_window(learnt):
    """Such as suspect ones: what stands there changes nothing."""
    found, series = learnt
    learn = found.prepared.windows[Part.LEARN]
    columns, length = found.detector.scorer.long.sizes.outputs, 2 * learn.length
    suspect = int(learn.ends[len(learn.ends) // 4])
    touched = (learn.ends >= suspect) & (learn.ends < suspect + learn.length)
    kept = replace(learn, ends=learn.ends[~touched])
    changed = np.array(kept.matrix)
    changed[suspect] = 1e3
    first, second = (
        fit_long(replace(kept, matrix=each), series.back, length=length, columns=columns)
        for each in (kept.matrix, changed)
    )
    assert all(np.array_equal(first.state_dict()[k], v) for k, v in second.state_dict().items())


def test_a_saved_detector_has_both_networks(learnt, tmp_path):
    """Loaded, it expects the same; forged sizes are refused."""
    found, series = learnt
    found.detector.save(tmp_path)
    scorer, rows = found.detector.scorer, ends_of(series, 3)
    again = CalibratedScorer.load(tmp_path).scorer
    assert np.array_equal(again.expect(series, rows), scorer.expect(series, rows))
    described = json.loads((tmp_path / DETECTOR).read_text())
    described["long"]["sizes"]["length"] = described["model"]["sizes"]["length"]
    (tmp_path / DETECTOR).write_text(json.dumps(described))
    with pytest.raises(BrokenDetector, match="does not fit"):
        Detector.load(tmp_path)


def test_long_windows_are_longer(tmp_path):
    """Or none at all."""
    given = {"detector": {"name": "pump"}, "data": {"train": "x", "timestamp": "t"}}
    window = {"length": 16, "long": 16}
    with pytest.raises(ConfigError, match="long must be more than length, that is 16 rows, or 0"):
        make_config(given | {"window": window}, folder=tmp_path)
    none = make_config(given | {"window": window | {"long": 0}}, folder=tmp_path)
    assert none.window.long_rows == 0
