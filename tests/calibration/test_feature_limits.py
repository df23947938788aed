"""Limits of single columns."""

from __future__ import annotations

import numpy as np

from aedetect.calibration.feature_limits import fit_limits


def test_a_limit_is_the_conformal_quantile_of_its_column():
    """19 cells support one in twenty with the largest, 39 with the second largest."""
    ones = np.zeros(19, np.int32)
    residual = np.stack([np.arange(1, 20), -np.arange(101, 120)], axis=1).astype(np.float32)
    seen = np.ones_like(residual, dtype=bool)
    found = fit_limits(residual, seen, ones, entities=1, rate=0.05)
    assert found.tolist() == [[19, 119]]
    more = np.arange(1, 40, dtype=np.float32)[:, None]
    found = fit_limits(more, more > 0, np.zeros(39, np.int32), entities=0, rate=0.05)
    assert found.tolist() == [[38]]


def test_small_entities_take_the_limits_of_all_and_missing_cells_do_not_count():
    """A column that was never observed has none."""
    residual = np.ones((120, 2), np.float32)
    residual[100:] = 50
    residual[:5, 0] = 1e6
    seen = np.ones((120, 2), bool)
    seen[:5, 0] = False
    seen[:, 1] = False
    entity = np.repeat(np.array([0, 1], np.int32), [115, 5])
    found = fit_limits(residual, seen, entity, entities=3, rate=0.01)
    assert found.dtype == np.float32
    assert found[:, 0].tolist() == [50, 50, 50]
    assert np.isinf(found[:, 1]).all()


def test_a_detector_has_limits_by_entity_and_column(detector):
    """About as many held-out cells are beyond as promised."""
    limits = detector.calibration.limits
    assert limits.shape == (2, 2)
    assert np.isfinite(limits).all()
    assert (limits > 0).all()
