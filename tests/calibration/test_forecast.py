"""The forecast where the held-out days show no event."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.calibration import HeldOut
from aedetect.calibration.calibration import DEFAULT_TIMING
from aedetect.calibration.forecast import forecast


def test_no_event_is_not_taken_for_never():
    """After ten days without an event, 0.3 events a day are still possible."""
    rows = HeldOut.of(np.zeros(14_400))
    found = forecast(rows, np.zeros(14_400, dtype=bool), DEFAULT_TIMING, together=True)
    assert (found.events, found.per_day, found.low) == (0, 0, 0)
    assert found.high == pytest.approx(-np.log(0.05) / 10, rel=0.01)
