"""What is said of days to come, where the held-out days show no event."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.calibration import HeldOut
from aedetect.calibration.calibration import APART
from aedetect.calibration.forecast import forecast


def test_no_event_is_not_taken_for_never():
    """In ten days without any, three tenths of an event a day are still possible."""
    rows = HeldOut.of(np.zeros(14_400))
    found = forecast(rows, np.zeros(14_400, dtype=bool), APART, together=True)
    assert (found.events, found.per_day, found.low) == (0, 0, 0)
    assert found.high == pytest.approx(-np.log(0.05) / 10, rel=0.01)
