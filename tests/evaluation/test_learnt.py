"""What a version learnt as normal, against what people and the champion say of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.evaluation.gate_text import gate_words
from aedetect.evaluation.learnt import LearntRows, learnt_checks, share_of_rows
from aedetect.evaluation.settings import PromotionSettings

SETTINGS = PromotionSettings()
QUIET = np.zeros(5_000, dtype=np.bool_)
CLEAN = LearntRows(
    champion="pump/1",
    rows=5_000,
    known=0.0,
    known_least=0.0,
    flagged=0.002,
    flagged_least=0.001,
    entity="P-1",
    entity_share=0.002,
)


def failing(learnt, recent=QUIET):
    """The checks beyond their limits."""
    return [each for each in learnt_checks(learnt, recent, SETTINGS) if each.evidence > each.limit]


def test_a_few_flagged_rows_are_normal():
    """A promise of false alarms is one of normal rows."""
    assert failing(CLEAN) == []


def test_known_anomalies_must_not_be_learnt():
    """Two rows in a hundred that people have labelled are a fault of the training data."""
    share, least = share_of_rows(np.arange(5_000) % 50 == 0)
    bad = replace(CLEAN, known=share, known_least=least, entity_share=0.04)
    (check,) = failing(bad)
    words = gate_words([check], [check], "pump/2 against pump/1")
    assert "learnt as normal that are known anomalies (most: P-1, 4.0%): 0.02, at most" in words
    assert failing(replace(bad, known_least=0.0)) == []  # a single stretch may be chance


@pytest.mark.parametrize(("recent", "stopped"), [(0.0, True), (0.4, False)])
def test_days_that_the_champion_flags_are_learnt_only_where_they_go_on(recent, stopped):
    """A tenth of the training rows is flagged: an incident that is over, or the new normal."""
    learnt = replace(CLEAN, flagged=0.1, flagged_least=0.08)
    now = np.arange(5_000) < 5_000 * recent
    found = failing(learnt, now)
    assert [each.name for each in found] == ["learnt_flagged"] * stopped
    if stopped:
        words = gate_words(found, found, "pump/2 against pump/1")
        assert "that pump/1 flags: 0.1 (of recent rows 0), at least 0.08 more, and 0.05" in words
