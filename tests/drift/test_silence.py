"""An entity that shifted and then fell silent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aedetect.drift.judgement import ScoreJudgement
from aedetect.drift.names import Names


def sums(number):
    """The sums of an entity whose p-values are tiny from the third day on."""
    return pd.DataFrame(
        {
            "entity": ["pump"],
            "bets": 48,
            "log_p": -48.0 if number < 2 else -48.0 * 8,
            "log_score": 0.0 if number < 2 else np.log(5.0),
            "usual_log_score": 0.0,
            "score_limit": 0.3,
        }
    )


@pytest.mark.parametrize(("until", "shifted"), [(20, True), (10, False)])
def test_a_silent_entity_is_not_shifted(until, shifted):
    """It is while its rows come, and not ten days after the last of them."""
    judgement = ScoreJudgement(Names())
    for number in range(20):
        found, _ = judgement.next_day(number, sums(number)[: int(number < until)])
    assert len(found.code) == shifted
