"""Column rules that renewals accept: what would break the promise for long is a new normal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.calibration.accepted_rules import AcceptedRule, RuleRows, accept_rules
from aedetect.calibration.history import read_renewal, write_renewal
from aedetect.calibration.renewal import Renewal

DAY = 86_400_000_000_000
HOUR = DAY // 24
DAYS = 20
RATE = np.array([0.02, 0.02])
REASONS = ("state has a value never seen in training", "flow is stuck")
SINCE, LAST = DAYS * DAY, 28 * DAY


def hourly(*, told: int, at: int = DAYS * 24) -> RuleRows:
    """Return 20 days of two entities; the last `told` rows before a row of the second break."""
    count = DAYS * 24
    reason = np.full(2 * count, -1, dtype=np.int32)
    reason[count + at - told : count + at] = 1
    return RuleRows(
        np.repeat([0, 1], count).astype(np.int32), np.tile(np.arange(count) * HOUR, 2), reason,
        REASONS,
    )  # fmt: skip


def accepted(rows, *, before=()):
    """Return what is accepted with at most ten times the promised share."""
    return accept_rules(rows, RATE, within=10.0, since=SINCE, last=LAST, before=before)


@pytest.mark.parametrize(
    ("told", "at", "expected"),
    [(96, 240, 0), (97, 240, 1), (24, 480, 0), (28, 480, 0), (29, 480, 1)],  # 4.8 rows of a day
)
def test_a_rule_flags_no_more_than_scores_may(told, at, expected):
    """Ten times the promise of all rows and of the last two days, on two days; of its entity."""
    found = accepted(hourly(told=told, at=at))
    assert found == (AcceptedRule(1, REASONS[1], SINCE + LAST),) * expected


def test_few_rows_decide_nothing():
    """Of ten rows two are one event."""
    few = hourly(told=10)
    late = few.time >= SINCE - 5 * HOUR
    assert accepted(RuleRows(few.entity[late], few.time[late], few.reason[late], REASONS)) == ()
    assert accepted(RuleRows(*(np.zeros(0, np.int32),) * 3, REASONS)) == ()


def test_memory_is_that_of_the_rows():
    """Not of all entities times all reasons, which would be eight gigabytes here."""
    entities, kinds = 1_000_000, 1_000
    one = hourly(told=29)
    many = RuleRows(
        one.entity + np.int32(entities - 2),
        one.time,
        one.reason,
        [f"rule {n}" for n in range(kinds)],
    )
    rate = np.full(entities, RATE[0])
    found = accept_rules(many, rate, within=10.0, since=SINCE, last=LAST)
    assert found == (AcceptedRule(entities - 1, "rule 1", SINCE + LAST),)


def test_it_is_accepted_for_a_time():
    """It stays until then without being seen; what is seen after that is accepted anew."""
    old = AcceptedRule(1, REASONS[1], SINCE + 1)
    assert accepted(hourly(told=0), before=(old,)) == (old,)
    assert accepted(hourly(told=48), before=(old,)) == (old,)
    over = replace(old, until=SINCE)
    assert accepted(hourly(told=0), before=(over,)) == ()
    assert accepted(hourly(told=48), before=(over,)) == (replace(old, until=SINCE + LAST),)


def test_it_is_stored_with_the_renewal(tmp_path):
    """As names of rule and column, by entity."""
    renewal = Renewal(2, 50, 1, accepted=(AcceptedRule(0, REASONS[0], 70),))
    write_renewal(renewal, tmp_path / "calibrations" / "2")
    assert read_renewal(tmp_path, 2) == renewal
