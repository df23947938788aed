"""The estimator for scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import aedetect
from aedetect.sklearn import AutoencoderDetector

TINY = {
    "calibration": {"shapes": 0.0, "score": "standardized"},
    "window": {"long": 0},
    "training": {"epochs": 1, "device": "cpu"},
}
# Rows alone: with the score "ensemble" a row is compared with rows before it, for which checks that
# reorder rows or give them one by one make no sense. Here none is left out.
ALONE = AutoencoderDetector(variant="linear", contamination=0.1, settings=TINY)


@parametrize_with_checks([ALONE])
def test_it_is_an_estimator(estimator, check):
    """Every check of scikit-learn passes."""
    check(estimator)


@pytest.fixture(scope="module")
def table(make_frame):
    """A frame of one unit with a fault in rows 300 to 304."""
    frame = make_frame(rows=400, units=("east",)).drop(columns="unit")
    frame.loc[300:304, "b"] += 50.0
    return frame


@pytest.fixture(scope="module")
def fitted(table):
    """An estimator with windows, trained on the rows before the fault."""
    return AutoencoderDetector(variant="linear", window=4, timestamp="time", settings=TINY).fit(
        table.head(280)
    )


def test_rows_without_time_are_judged_alone():
    """A strange row changes nothing of the row after it; about as many are flagged as aimed at."""
    random = np.random.default_rng(2)
    rows = random.normal(size=(500, 4))
    found = AutoencoderDetector(variant="linear", settings={"window": {"long": 0}}).fit(rows)
    assert found.detector_.scorer.score == "mahalanobis"
    new = random.normal(size=(400, 4))
    assert (found.predict(new) == -1).mean() < 0.05
    strange = new.copy()
    strange[100] = 9.0
    differ = found.score_samples(new) != found.score_samples(strange)
    assert np.flatnonzero(differ).tolist() == [100]


def test_verdicts_are_those_of_the_detector(fitted, table):
    """With the signs of scikit-learn; a row that is not scored is neither."""
    found, verdict = fitted.predict(table), fitted.detector_.score(table)["verdict"]
    words = {1: "normal", -1: "anomaly", 0: "not_scored"}
    assert [words[each] for each in found] == verdict.tolist()
    assert found[:3].tolist() == [0, 0, 0]
    assert set(found[300:305]) == {-1}
    decision = fitted.decision_function(table)
    np.testing.assert_array_equal(decision < 0, found == -1)
    np.testing.assert_array_equal(np.isnan(decision), found == 0)
    np.testing.assert_array_equal(decision, fitted.score_samples(table) - fitted.offset_)
    assert np.nanargmin(decision) in range(300, 305)


def test_columns_are_remembered(fitted, table):
    """Those of timestamps included; other ones are refused as scikit-learn does."""
    assert fitted.n_features_in_ == 3
    assert fitted.feature_names_in_.tolist() == ["time", "a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(table.rename(columns={"a": "c"}))


def test_a_share_sets_the_offset(table):
    """So many of the rows of the training are below it."""
    rows = table[["a", "b"]].to_numpy()
    for share in (0.05, 0.25):
        found = clone(ALONE).set_params(contamination=share).fit_predict(rows)
        assert (found == -1).mean() == pytest.approx(share, abs=0.01)


def test_it_is_cloned_and_pickled(fitted, table):
    """A clone is not fitted; a pickle gives the same scores."""
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "detector_")
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301 - our own
    np.testing.assert_array_equal(again.score_samples(table), fitted.score_samples(table))


def test_it_works_in_pipelines_and_searches(table):
    """With entities, and a metric that leaves out what is not scored."""
    rows = table[["a", "b"]].to_numpy()
    found = make_pipeline(StandardScaler(), clone(ALONE)).fit(rows[:280]).predict(rows)
    assert set(found[300:305]) == {-1}

    def auc(labels, decision):
        known = np.isfinite(decision)
        return roc_auc_score(labels[known] == 0, decision[known])

    frame = pd.concat([table.assign(unit=name) for name in ("east", "west")], ignore_index=True)
    label = np.tile(np.isin(np.arange(400), np.arange(300, 305)), 2).astype(int)
    search = GridSearchCV(
        AutoencoderDetector(variant="linear", timestamp="time", entity="unit", settings=TINY),
        {"window": [1, 4]},
        scoring=make_scorer(auc, response_method="decision_function"),
        cv=PredefinedSplit(np.where(np.tile(np.arange(400) < 280, 2), -1, 0)),
        refit=False,
    )
    search.fit(frame, label)
    assert (search.cv_results_["mean_test_score"] > 0.9).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"timestamp": "time"}, "X must be a pandas.DataFrame with the column"),
        ({"alert_budget": "2 per day"}, "an alert_budget counts events by time"),
        ({"contamination": 0.9}, "contamination must be"),
        ({"variant": "magic"}, r"\[model\] variant"),
        ({"settings": {"window": 3}}, "a dictionary for each section, got 3 for 'window'"),
    ],
)
def test_impossible_parameters_are_refused(params, message):
    """When it is fitted."""
    with pytest.raises(aedetect.ConfigError, match=message):
        AutoencoderDetector(**params).fit(np.zeros((50, 2)))
