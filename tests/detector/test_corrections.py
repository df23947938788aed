"""Linear corrections of what is expected, by entity."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from aedetect.detector.calibrated_scorer import CalibratedScorer
from aedetect.detector.corrections import Corrections
from aedetect.detector.description import DETECTOR
from aedetect.errors import BrokenDetector
from aedetect.jobs.fit_scorer import series_of
from aedetect.jobs.residuals import learn_corrections
from aedetect.preprocessing import Part

ROWS, COLUMNS = 2_000, 3


@pytest.fixture
def wrong():
    """What is expected of two entities, wrong by a linear map each, what is found, and whose."""
    random = np.random.default_rng(0)
    entity = np.repeat([0, 1], ROWS).astype(np.int32)
    expected = random.normal(size=(2 * ROWS, COLUMNS)).astype(np.float32)
    maps = random.normal(size=(2, COLUMNS, COLUMNS)) / 3
    offset = np.array([[0.5, 0, -1], [0, 2, 0]])
    added = np.einsum("nd,nde->ne", expected, maps[entity]) + offset[entity]
    return expected, (expected + added).astype(np.float32), entity


def fitted(expected, found, entity, **others):
    """Fit on rows that were all seen."""
    given = {"seen": np.ones(expected.shape, dtype=bool), "entities": 2} | others
    seen, entities = given["seen"], given["entities"]
    return Corrections.fit(expected, found, seen, entity, entities=entities)


def test_what_is_wrong_of_each_entity_is_corrected(wrong):
    """The ridge leaves one hundredth."""
    expected, found, entity = wrong
    before = np.square(found - expected).mean()
    corrected = fitted(*wrong).apply(expected.copy(), entity)
    assert np.square(found - corrected).mean() < before / 1_000


def test_a_ridge_regression_of_scikit_learn_agrees(wrong):
    """Its penalty is on the sum of squares, and on the intercept too."""
    from sklearn.linear_model import Ridge

    expected, found, entity = wrong
    own = entity == 1
    inputs = np.column_stack([np.ones(own.sum()), expected[own]]).astype(np.float64)
    ridge = Ridge(alpha=0.01 * own.sum(), fit_intercept=False).fit(inputs, (found - expected)[own])
    maps = fitted(*wrong).maps
    np.testing.assert_allclose(maps[1], ridge.coef_.T, atol=1e-5)


def test_few_rows_and_unseen_entities_are_left_as_they_are(wrong):
    """A map of few rows would fit these, and not what is wrong."""
    expected, found, entity = wrong
    few = np.concatenate([np.arange(ROWS), ROWS + np.arange(400)])
    corrections = fitted(expected[few], found[few], entity[few])
    assert corrections.place.tolist() == [0, -1, -1]
    others = np.full(len(entity), -1, dtype=np.int32)
    assert np.array_equal(corrections.apply(expected.copy(), others), expected)
    kept = corrections.apply(expected.copy(), entity)
    assert np.array_equal(kept[entity == 1], expected[entity == 1])
    assert not np.array_equal(kept[entity == 0], expected[entity == 0])


def test_cells_that_were_not_seen_teach_nothing(wrong):
    """What stands in for a missing value is as expected."""
    expected, found, entity = wrong
    seen = np.ones(expected.shape, dtype=bool)
    seen[:, 0] = False
    corrected = fitted(expected, found, entity, seen=seen).apply(expected.copy(), entity)
    np.testing.assert_allclose(corrected[:, 0], expected[:, 0], atol=1e-6)


@pytest.mark.parametrize("step", [1, 7, 512, 1_000])
def test_a_row_is_corrected_alike_in_any_batch(wrong, step):
    """To the bit."""
    expected, _, entity = wrong
    corrections = fitted(*wrong)
    whole = corrections.apply(expected.copy(), entity)
    rows = np.arange(0, len(entity), step)
    assert np.array_equal(corrections.apply(expected[rows].copy(), entity[rows]), whole[rows])


@pytest.fixture(scope="module")
def learnt(make_frame, write, learn, tmp_path_factory):
    """A detector of entities with enough rows."""
    folder = tmp_path_factory.mktemp("corrections")
    write(make_frame(rows=1_200), folder / "train.parquet")
    return learn(folder)


def test_training_learns_them_from_what_the_network_has_learnt_from(learnt):
    """And they are used by the ensemble alone."""
    scorer, series = learnt.detector.scorer, series_of(learnt.ingested, learnt.prepared)
    learn = learnt.prepared.windows[Part.LEARN]
    plain = replace(scorer, corrections=None)
    expected = plain.expect(series, learn.ends)
    again = learn_corrections(plain, series, learn)
    assert np.array_equal(again.maps, scorer.corrections.maps)
    assert len(again.maps) == 2
    values = series.matrix[learn.ends, : expected.shape[1]]
    corrected = scorer.expect(series, learn.ends)
    assert np.square(values - corrected).sum() < np.square(values - expected).sum()
    other = replace(scorer, score="mse")
    without = replace(plain, score="mse")
    assert np.array_equal(other.expect(series, learn.ends), without.expect(series, learn.ends))


def test_they_are_saved_and_checked(learnt, tmp_path):
    """Loaded, the detector expects the same; an entity without its map is refused."""
    learnt.detector.save(tmp_path)
    scorer, series = learnt.detector.scorer, series_of(learnt.ingested, learnt.prepared)
    rows = learnt.prepared.windows[Part.CALIBRATE].ends
    again = CalibratedScorer.load(tmp_path).scorer
    assert np.array_equal(again.expect(series, rows), scorer.expect(series, rows))
    described = json.loads((tmp_path / DETECTOR).read_text())
    for forged in ([0, 0, -1], [0, 2, -1], [0, 1], [0, -2, -1], ["a", 1, -1]):
        described["corrected"] = forged
        (tmp_path / DETECTOR).write_text(json.dumps(described))
        with pytest.raises(BrokenDetector):
            CalibratedScorer.load(tmp_path)
