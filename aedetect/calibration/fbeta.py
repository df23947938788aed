"""The threshold with the highest F-beta on the labels of the calibration part."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Bool, Float64, grouped_rows
from aedetect.calibration.sample import Sample
from aedetect.calibration.settings import CalibrationSettings
from aedetect.calibration.thresholds import MIN_OWN_ROWS, Choice, Threshold
from aedetect.errors import CalibrationRefused

BETAS = (0.5, 1.0, 2.0)  # always reported, beside the configured beta


def fbeta(sample: Sample, settings: CalibrationSettings) -> Choice:
    """Choose the p-value level with the highest F-beta over the held-out rows.

    All entities share one level; each gets the threshold of its own scores at that level.
    Raises CalibrationRefused when no held-out row is labelled.
    """
    truth = sample.held_out.anomaly
    if not truth.any():
        raise CalibrationRefused(
            'threshold = "fbeta" needs rows that are labelled anomalous among the '
            f"{len(truth)} that are held out, got none: confirm events (aedetect label), or name "
            "the column in [data] label, raise [calibration] holdout until labelled rows lie in it "
            'and train again, or take threshold = "alert_budget"'
        )
    p_value = _p_values(sample)
    level = best_level(p_value, truth, beta=settings.beta)
    own = {
        code: Threshold(reference.score_at(level), "fbeta", level)
        for code, reference in sample.own.items()
        if len(reference) >= MIN_OWN_ROWS
    }
    elsewhere = {
        f"beta = {beta:g}": sample.pooled.score_at(best_level(p_value, truth, beta=beta))
        for beta in BETAS
    }
    return Choice(Threshold(sample.pooled.score_at(level), "fbeta", level), own, elsewhere)


def best_level(p_value: Float64, truth: Bool, *, beta: float
               ) -> float:  # fmt: skip
    """Return the p-value up to which flagging gives the highest F-beta: (n,), (n,).

    van Rijsbergen: Information retrieval (1979), chapter 7. Ties go to the lowest.

    >>> best_level(np.array([0.01, 0.02, 0.5]), np.array([True, True, False]), beta=1.0)
    0.02
    """
    order = np.argsort(p_value, kind="stable")
    ordered = p_value[order]
    found = np.cumsum(truth[order])
    last = np.append(ordered[1:] != ordered[:-1], True)  # equal p-values are flagged together
    weight = beta * beta
    flagged = np.arange(1, len(ordered) + 1)
    gained = (1 + weight) * found / (weight * found[-1] + flagged)
    return float(ordered[last][np.argmax(gained[last])])


def _p_values(sample: Sample) -> Float64:
    """Return the p-value of each held-out row from the scores that determine its threshold."""
    rows = sample.held_out
    p_value = sample.pooled.p_values(rows.score)
    for code, chosen in grouped_rows(rows.entity):
        reference = sample.own.get(code)
        if reference is not None and len(reference) >= MIN_OWN_ROWS:
            p_value[chosen] = reference.p_values(rows.score[chosen])
    return p_value
