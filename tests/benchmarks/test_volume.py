"""The benchmark's VUS-PR is that of the authors' package."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

vus_pr = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "volume.py"))["vus_pr"]


def series(*, rows=600, segments=((40, 60), (200, 203), (215, 240), (590, 600))):
    """Labelled segments, and a score that finds them in part, with ties."""
    label = np.zeros(rows)
    for start, end in segments:
        label[start:end] = 1
    steps = np.arange(rows)
    return label, np.round(np.sin(steps * 0.7) + np.cos(steps * steps * 0.01) + label, 1)


@pytest.mark.parametrize(
    ("window", "published"),
    [
        (0, 0.2671981404749376),
        (1, 0.2671981404749376),
        (10, 0.2836956841719091),
        (40, 0.3410587140506136),
    ],
)
def test_it_is_the_value_of_the_authors(window, published):
    """As vus 0.0.6 computes it (RangeAUC_volume_opt), ties and joined segments included."""
    assert vus_pr(*series(), window=window) == pytest.approx(published, abs=1e-12)


def test_a_perfect_score_is_worth_nearly_one():
    """And the reversed ranking nearly nothing."""
    label, _ = series()
    assert vus_pr(label, label, window=0, thresholds=600) == pytest.approx(1)
    assert vus_pr(label, -label, window=0) < 0.2


def test_without_tolerance_and_with_one_segment_it_is_average_precision():
    """With a threshold at every row, once the segment is found."""
    label, score = series(segments=((0, 1),))
    score = score + np.arange(600) * 1e-6
    exact = vus_pr(label, score, window=0, thresholds=600)
    assert exact == pytest.approx(average_precision_score(label, score))


def test_nothing_labelled_is_nothing_to_measure():
    """The result is NaN."""
    assert np.isnan(vus_pr(np.zeros(9), np.arange(9), window=3))
