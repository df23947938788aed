"""Column rules that a calibration accepts flag no row."""

from __future__ import annotations

import numpy as np

from aedetect.calibration.accepted_rules import AcceptedRule
from aedetect.data import Feature
from aedetect.detector.accepted import acceptable_reasons, without_accepted
from aedetect.detector.rules import CONSTANT, FAR, MISSING, NONE, STUCK, UNSEEN

FEATURES = (Feature("flow", "number"), Feature("state", "category", ("on", "off")))


def test_only_the_rule_and_column_of_the_entity_is_accepted():
    """Other entities, other columns and other rules still flag."""
    broken = np.array(
        [[STUCK, NONE], [STUCK, UNSEEN], [FAR, STUCK], [STUCK, UNSEEN]], dtype=np.int8
    )
    entity = np.array([0, 0, 0, 1], dtype=np.int32)
    stuck = acceptable_reasons(FEATURES)[4]
    assert stuck.startswith("flow is stuck")
    rules = (AcceptedRule(0, stuck, 0), AcceptedRule(0, "gone is stuck", 0))
    found = without_accepted(broken.copy(), entity, rules, FEATURES)
    np.testing.assert_array_equal(
        found, [[NONE, NONE], [NONE, UNSEEN], [FAR, STUCK], [STUCK, UNSEEN]]
    )
    assert without_accepted(broken, entity, (), FEATURES) is broken


def test_rules_that_end_by_themselves_are_not_accepted():
    """A column that is lost is told in one row, and a far one for a time."""
    told = acceptable_reasons(FEATURES)
    assert len(told) == 3 * len(FEATURES) == 2 * max(CONSTANT, UNSEEN, STUCK)
    assert not [each for each in told if "missing" in each or "far" in each]
    assert min(MISSING, FAR) > max(CONSTANT, UNSEEN, STUCK)
