"""A shift that stays is one alarm: it is named once, also over pauses of some days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drift_days import write_days

from aedetect.drift.daily_table import read_blocks
from aedetect.drift.description import Shift
from aedetect.drift.episodes import judge
from aedetect.drift.shifts import fault_alerts, shift_warnings, shifts_of
from aedetect.output.partitions import Span
from aedetect.wall_clock import WallClock


@pytest.fixture
def days_of(tmp_path):
    """Write days on which some pumps move, among others that do not; return them as read."""

    def read(psi, times=None, **entities):
        write_days(tmp_path, psi, times, **entities)
        blocks = read_blocks(tmp_path, span=Span(), clock=WallClock())
        assert len(blocks) == len(psi)
        return blocks

    return read


def moved(days):
    """What has shifted on the last of the days."""
    return {each.entity: each for each in judge(days).moved}


@pytest.mark.parametrize(
    ("psi", "times", "named"),
    [
        ([0, 1.5, 1.5], 1.0, False),  # beyond its limit on two days, scores as usual
        ([0, 1.5, 1.5], 1.4, True),  # and scores have risen
        ([0, 0, 2.5], 1.4, True),  # far beyond it on one
        ([0, 0, 2.5], 1.0, False),
        ([0, 2.5, 2.5], 1.0, True),
    ],
)
def test_a_column_is_named_with_scores_or_far_beyond_its_limit(days_of, psi, times, named):
    """What scores do not feel has to be further away."""
    assert bool(moved(days_of(psi, [times] * len(psi)))) == named


@pytest.mark.parametrize(("pause", "since"), [(4, 1), (8, 12)])
def test_a_shift_is_named_once_over_pauses(days_of, pause, since):
    """Four days within its limit do not make another alarm; eight days do."""
    far = [3.0] * 3
    found = moved(days_of([0.0, *far, *[0.0] * pause, *far]))["pump"]
    assert (found.since, found.named) == (since, since + 1)


def test_a_shift_that_has_ended_is_not_named(days_of):
    """On the first day within its limit."""
    assert not moved(days_of([0.0, 3.0, 3.0, 3.0, 0.0]))


def test_scores_that_follow_are_news(days_of):
    """A column that has moved for a week, and then scores rise: named a second time."""
    psi = [3.0] * 12
    times = [1.0] * 9 + [3.0] * 3
    found = moved(days_of(psi, times))["pump"]
    assert (found.since, found.named) == (0, 9)
    assert found.kinds == ("scores", "distribution")


def test_one_that_moves_alone_is_no_shift_of_the_world(days_of):
    """It is told with its column, and that its scores are as usual."""
    (alone,) = shifts_of(days_of([0.0, 3.0, 3.0]))
    assert (alone.entity, alone.world, alone.named) == ("pump", False, "2026-01-03")
    assert alone.columns == ("heat",)
    assert "its scores are 1 times the usual" in alone.text


def test_most_entities_together_are_one_shift(days_of):
    """What begins in three of five on one day is a shift of the world."""
    days = days_of([0.0, 3.0, 3.0], moving=("pump", "fan", "mill"), others=("east", "west"))
    (together,) = shifts_of(days)
    assert (together.world, together.entities) == (True, 3)


SHIFT = Shift(
    entity="pump", world=False, entities=1, since="2026-01-01", named="2026-01-03",
    until="2026-01-09", kind="scores", columns=(), times=3.0, far=1.2, distributions=(), who="pump",
    text="pump: shift",
)  # fmt: skip


def test_an_entity_far_from_its_level_is_an_alert():
    """Of one that shifted little there is none, nor of all together."""
    far = replace(SHIFT, far=2.5)
    world = replace(far, entity=None, world=True)
    assert list(fault_alerts([far, SHIFT, world])) == ["slow fault: pump"]


def test_very_many_alerts_are_some_and_a_number():
    """Those that shifted first are named, whatever their order of today."""
    many = [
        replace(SHIFT, far=2.5, entity=f"pump {at}", since=f"2026-01-{1 + at % 28:02d}")
        for at in range(60)
    ]
    alerts = fault_alerts(many)
    assert list(alerts) == list(fault_alerts(many[::-1]))
    assert len(alerts) == 51
    assert "slow fault: pump 0" in alerts
    assert "10 more entities" in alerts["slow faults of many"]


def test_a_fault_that_was_far_stays_far_while_it_stands(days_of):
    """A quieter day within it ends no alert; a day within the limits does."""
    times = [1.0, 1.4, 2.0, 1.6, 1.6]
    (shift,) = shifts_of(days_of([0.0] * 5, times))
    assert shift.far == pytest.approx(np.log(2.0) / np.log(1.5))
    assert shift.times == pytest.approx(1.6)
    assert not shifts_of(days_of([0.0] * 6, [*times, 1.0]))


def test_a_run_tells_what_it_named_first():
    """What was named before is one line, whatever it is."""
    shift = SHIFT
    assert shift_warnings([shift], since="2026-01-03") == ("pump: shift",)
    assert shift_warnings([shift], since="2026-01-04") == ("still shifted, as named before: pump",)
    many = [replace(shift, who=f"{at}", text=f"{at}: shift") for at in range(5)]
    assert shift_warnings(many, since="2026-01-01")[-1] == (
        "2 more entities have shifted: aedetect drift CONFIG"
    )
