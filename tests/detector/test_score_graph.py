"""The torch module that is exported gives the scores of the detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from aedetect.data import Feature
from aedetect.detector.corrections import Corrections
from aedetect.detector.graph_limits import lacking_steps
from aedetect.detector.score_graph import ScoreGraph
from aedetect.scoring import score_frame

LINEAR = {"variant": "linear"}
MINUTE = 60_000_000_000


def graph_scores(detector, frame, *, entity=0):
    """Scores and threshold of the rows of one entity by the graph, and scores by the detector."""
    schema = detector.scorer.schema
    graph = ScoreGraph(detector.scorer, detector.calibration).eval()
    columns = []
    for feature in schema.features:
        column = frame[feature.name]
        if feature.is_text:
            column = column.map({name: code for code, name in enumerate(feature.categories)})
        columns.append(column.to_numpy(dtype=np.float64))
    time = frame[schema.timestamp].astype("datetime64[ns]").astype("int64").to_numpy()
    with torch.no_grad():
        score, threshold = graph(
            torch.from_numpy(np.stack(columns, axis=1)),
            torch.from_numpy(np.array(time)),
            torch.tensor(entity),
        )
    return score.numpy(), float(threshold), score_frame(detector, frame)["score"].to_numpy()


def assert_same(found, expected):
    """Equal within 1e-5, and missing where the other is."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.isfinite(found).any()


@pytest.mark.parametrize("entity", [0, 1])
def test_the_default_score_is_in_the_graph(learnt, make_frame, entity):
    """With the look-back of its members and the threshold of the entity."""
    frame = make_frame(units=("east", "west"), rows=900, start="2026-02-01T00:03", seed=5)
    frame.loc[frame.index % 97 == 5, "a"] += 40  # beyond the range that is not compressed
    own = frame[frame["unit"] == ("east", "west")[entity]]
    detector = learnt.detector
    found, threshold, expected = graph_scores(detector, own, entity=entity)
    assert_same(found, expected)
    assert threshold == detector.calibration.thresholds(np.array([entity]))[0]


def test_corrections_by_entity_are_in_the_graph(learnt, make_frame):
    """Of an entity with a map, and of one without."""
    maps = np.random.default_rng(0).normal(scale=0.3, size=(1, 3, 2)).astype(np.float32)
    scorer = replace(learnt.detector.scorer, corrections=Corrections(np.array([-1, 0, -1]), maps))
    detector = replace(learnt.detector, scorer=scorer)
    for entity, name in enumerate(("east", "west")):
        found, _, expected = graph_scores(detector, make_frame(units=(name,)), entity=entity)
        assert_same(found, expected)


def test_typical_shapes_are_in_the_graph(train_on, make_frame):
    """Where their windows are whole."""
    detector = train_on(
        make_frame(rows=900), model=LINEAR, calibration={"shapes": 2.0, "false_alarm_rate": 0.02}
    ).detector
    assert all(detector.scorer.shapes.banks)
    found, _, expected = graph_scores(detector, make_frame(units=("east",), seed=5))
    assert_same(found, expected)
    plain = replace(detector, scorer=replace(detector.scorer, shapes=None))
    assert np.nanmax(found - graph_scores(plain, make_frame(units=("east",), seed=5))[0]) > 0.1


def test_an_unseen_entity_is_scored_as_pooled(train_on, make_frame):
    """The place -1 takes the values of all entities together."""
    detector = train_on(make_frame(), model=LINEAR, calibration={"unseen": "pooled"}).detector
    found, threshold, expected = graph_scores(detector, make_frame(units=("north",)), entity=-1)
    assert_same(found, expected)
    assert threshold == detector.calibration.threshold.value


@pytest.mark.parametrize(
    "calibration",
    [
        {"score": "mse"},
        {"score": "mse", "smooth": 3},
        {"score": "standardized"},
        {"score": "mahalanobis"},
        {"score": "top_k", "top_k": 2},
    ],
)
def test_other_scores_are_in_the_graph(train_on, make_frame, calibration):
    """Those of single windows, smoothed or not; a gap begins a new series."""
    frame = make_frame(features=("a", "b", "c"), rows=300)
    detector = train_on(frame, model=LINEAR, calibration=calibration).detector
    fresh = make_frame(units=("east",), features=("a", "b", "c"), rows=300, seed=3)
    fresh = fresh.drop(index=range(100, 160))
    found, _, expected = graph_scores(detector, fresh)
    assert_same(found, expected)
    assert np.isnan(found).sum() == 6


@pytest.mark.parametrize("backbone", ["dense", "convolutional"])
def test_context_categories_and_backbones_are_in_the_graph(train_on, make_frame, backbone):
    """Hours and weekdays, one column for each category, and both kinds of networks."""
    frame = make_frame(units=("east",), rows=1500)
    frame["mode"] = np.where(frame["a"] > 0, "up", "down")
    frame["on"] = frame["b"] > 10
    detector = train_on(
        frame,
        data={"context": ["hour", "weekday"]},
        model={"variant": "undercomplete", "backbone": backbone},
    ).detector
    found, _, expected = graph_scores(detector, frame.iloc[200:1200])
    assert_same(found, expected)


def test_the_default_score_goes_on_after_a_gap(learnt, make_frame):
    """Rows after it have no window, and means go on over the time before it."""
    frame = make_frame(units=("east",), rows=900, seed=5).drop(index=range(500, 530))
    found, _, expected = graph_scores(learnt.detector, frame)
    assert_same(found, expected)


def test_a_row_with_a_missing_value_has_no_score(train_on, make_frame):
    """Nor have those whose windows hold it; a number may stand for a missing value."""
    frame = make_frame(rows=300)
    detector = train_on(
        frame, model=LINEAR, calibration={"score": "mse"}, data={"missing_values": [-9999]}
    ).detector
    fresh = make_frame(units=("east",), rows=300, seed=3)
    holed = fresh.copy()
    holed.loc[50, "a"] = np.nan
    holed.loc[100, "b"] = -9999.0
    holed.loc[150, "b"] = np.inf
    found, _, _ = graph_scores(detector, holed)
    whole, _, _ = graph_scores(detector, fresh)
    without = {*range(3), *range(50, 54), *range(100, 104), *range(150, 154)}
    assert set(np.flatnonzero(np.isnan(found))) == without
    scored = ~np.isnan(found)
    np.testing.assert_array_equal(found[scored], whole[scored])


def test_what_a_graph_cannot_hold_is_named_with_the_remedy(learnt):
    """Each option that changes the score in another way."""
    scorer = learnt.detector.scorer
    assert lacking_steps(scorer) == []
    schema = scorer.schema
    counter = (Feature("n", "number", counter=True), *schema.features[1:])
    changed = replace(
        scorer, score="tail", alignment="centered", schema=replace(schema, features=counter)
    )
    found = dict(lacking_steps(changed))
    assert set(found) == {
        '[calibration] score = "tail"',
        '[calibration] alignment = "centered"',
        "the increase of counters (n)",
    }
    assert "ensemble" in found['[calibration] score = "tail"']


def test_hours_of_another_zone_are_not_in_the_graph(train_on, make_frame):
    """UTC is; the rules of a zone are no arithmetic."""
    frame = make_frame(units=("east",), rows=300)
    frame["time"] = pd.DatetimeIndex(frame["time"], tz="UTC")
    trained = train_on(frame, model=LINEAR, data={"context": ["hour"], "timezone": "Europe/Berlin"})
    ((what, remedy),) = lacking_steps(trained.detector.scorer)
    assert what == "[data] context in the zone Europe/Berlin"
    assert remedy == 'set timezone = "UTC"'
