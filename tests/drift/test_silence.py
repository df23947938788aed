"""An entity that shifted and then fell silent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aedetect.drift.judgement import shifted_scores

DAYS = [f"2026-01-{day:02}" for day in range(1, 21)]


def sums(*, until):
    """Sums of an entity whose p-values are tiny from the third day, until a day."""
    return pd.DataFrame(
        [
            {
                "day": day,
                "entity": "pump",
                "bets": 48,
                "log_p": -48.0 if number < 2 else -48.0 * 8,
                "log_score": 0.0 if number < 2 else np.log(5.0),
                "usual_log_score": 0.0,
            }
            for number, day in enumerate(DAYS[:until])
        ]
    )


@pytest.mark.parametrize(("until", "shifted"), [(20, True), (10, False)])
def test_a_silent_entity_is_not_shifted(until, shifted):
    """It is while its rows come, and not ten days after the last of them."""
    found = shifted_scores(sums(until=until), DAYS)
    assert [each["entity"] for each in found] == ["pump"] * shifted
