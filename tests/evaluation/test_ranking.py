"""Average precision, computed without the checks of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from aedetect.evaluation.ranking import precision_of_flags


@pytest.mark.parametrize("digits", [1, 6])
def test_precision_of_flags_is_that_of_scikit_learn(digits):
    """Rows of equal score count together, whichever comes first."""
    random = np.random.default_rng(0)
    truth = random.random(300) < 0.1
    score = np.round(random.random(300), digits).astype(np.float32)
    expected = average_precision_score(truth, score)
    assert precision_of_flags(truth, score) == pytest.approx(expected, rel=1e-12)
    assert precision_of_flags(truth[::-1], score[::-1]) == pytest.approx(expected, rel=1e-12)
