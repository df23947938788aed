"""The threshold that agrees best with labels."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.fbeta import best_level
from aedetect.calibration.settings import CalibrationSettings
from aedetect.errors import CalibrationRefused
from aedetect.scoring import score_frame

FBETA = CalibrationSettings(threshold="fbeta")


def test_without_labels_it_is_refused_with_the_remedy():
    """The message names the setting of the column, and an alternative."""
    with pytest.raises(CalibrationRefused, match=r"\[data\] label, raise .*alert_budget"):
        fit_calibration(HeldOut.of(np.arange(100)), settings=FBETA)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_no_level_is_better(beta):
    """As found by trying all of them with scikit-learn."""
    from sklearn.metrics import fbeta_score

    random = np.random.default_rng(0)
    truth = random.uniform(size=300) < 0.2
    p_value = np.round(random.beta(np.where(truth, 1, 2), 3), 2)
    best = best_level(p_value, truth, beta=beta)
    values = [fbeta_score(truth, p_value <= each, beta=beta) for each in np.unique(p_value)]
    assert fbeta_score(truth, p_value <= best, beta=beta) == pytest.approx(max(values))


def test_labelled_rows_move_no_p_value_and_recall_lowers_the_threshold():
    """p-values use normal rows only; the thresholds at other betas are reported."""
    random = np.random.default_rng(1)
    normal, anomalous = random.gamma(2, size=1000), random.gamma(2, size=50) + 4
    both = HeldOut.of(np.concatenate([normal, anomalous]), anomaly=np.arange(1050) >= 1000)
    found = fit_calibration(both, settings=FBETA)
    alone = fit_calibration(HeldOut.of(normal), settings=CalibrationSettings())
    np.testing.assert_array_equal(found.scores, alone.scores)
    at = [found.elsewhere[f"beta = {beta}"] for beta in ("0.5", "1", "2")]
    assert at[0] > at[1] > at[2]
    assert found.threshold.value == at[1]


def test_labels_in_the_held_out_time_are_scored_and_found(make_frame, train_on):
    """They are not training rows; those before the held-out time are excluded altogether."""
    frame = make_frame().assign(bad=False)
    for start in (100, 450, 960):
        frame.loc[start : start + 9, ["a", "bad"]] = [30.0, True]
    run = train_on(
        frame,
        data={"label": "bad"},
        calibration={"threshold": "fbeta"},
        model={"variant": "linear"},
    )
    held_out = run.detector.calibration.held_out
    assert len(run.ingested.rows) == 970
    assert held_out.anomaly.sum() == 20
    assert held_out.entity[held_out.anomaly].tolist() == [0] * 10 + [1] * 10
    assert held_out.score[held_out.anomaly].min() > np.median(held_out.normal.score)
    verdict = score_frame(run.detector, frame.drop(columns="bad"))["verdict"]
    assert (verdict[frame["bad"]] == "anomaly").mean() > 0.9
    assert (verdict[~frame["bad"]] == "anomaly").mean() < 0.05
