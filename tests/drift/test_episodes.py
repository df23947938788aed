"""A shift that stays is one alarm: it is named once, also over pauses of some days."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from aedetect.drift.description import Shift, describe_shifts
from aedetect.drift.episodes import judge
from aedetect.drift.shifts import fault_alerts, shift_warnings

FIRST = pd.Timestamp("2026-01-01")


class _NoLists:
    """No distributions: these tests look at days."""

    edges: tuple[()] = ()
    usual = counts = np.zeros((0, 16))

    def table(self):
        """Return no column."""
        return pd.DataFrame({"entity": [], "column": []})


@dataclass(frozen=True)
class Day:
    """A day with one column of each entity, for what has to be read of a file otherwise."""

    number: int
    psi: dict[str, float]
    times: dict[str, float]

    @property
    def day(self):
        """The day as the output names it."""
        return str((FIRST + pd.Timedelta(days=self.number)).date())

    until = day

    @property
    def first(self):
        """The number of the day."""
        return self.number + 1_000

    last = first

    def sums(self):
        """Return sums of scores and of columns."""
        names = list(self.psi)
        far = np.log([self.times.get(each, 1.0) for each in names])
        scores = pd.DataFrame(
            {
                "entity": names, "bets": 48, "log_p": np.where(far > 0.3, -48.0 * 3, -40.0),
                "log_score": far, "usual_log_score": 0.0, "score_limit": 0.3,
            }
        )  # fmt: skip
        cells = pd.DataFrame(
            {
                "entity": names, "column": "heat", "rows": 144, "whole_day": 100, "missing": 0,
                "unseen": 0, "psi": list(self.psi.values()), "psi_limit": 1.0,
                "missing_limit": 0.05,
            }
        )  # fmt: skip
        return scores, cells


def days_of(psi, times=None, others=("east", "west", "south")):
    """Days on which one pump moves, among others that do not."""
    quiet = dict.fromkeys(others, 0.0)
    level = times or [1.0] * len(psi)
    return [
        Day(at, quiet | {"pump": each}, {"pump": far})
        for at, (each, far) in enumerate(zip(psi, level, strict=True))
    ]


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
def test_a_column_is_named_with_scores_or_far_beyond_its_limit(psi, times, named):
    """What scores do not feel has to be further away."""
    assert bool(moved(days_of(psi, [times] * len(psi)))) == named


def test_a_shift_is_named_once_over_pauses():
    """Four days within its limit do not make another alarm; eight days do."""
    far = [3.0] * 3
    again = [*far, *[0.0] * 4, *far]
    found = moved(days_of([0.0, *again]))["pump"]
    assert (found.since, found.named) == (1, 2)
    found = moved(days_of([0.0, *far, *[0.0] * 8, *far]))["pump"]
    assert (found.since, found.named) == (12, 13)
    assert not moved(days_of([0.0, *far, 0.0]))


def test_scores_that_follow_are_news():
    """A column that has moved for a week, and then scores rise: named a second time."""
    psi = [3.0] * 12
    times = [1.0] * 9 + [3.0] * 3
    found = moved(days_of(psi, times))["pump"]
    assert (found.since, found.named) == (0, 9)
    assert found.kinds == ("scores", "distribution")


def test_most_entities_together_are_one_shift(monkeypatch):
    """What begins in three of four on one day is a shift of the world; one alone is not."""
    monkeypatch.setattr(Day, "distributions", lambda _day, _names: _NoLists(), raising=False)
    monkeypatch.setattr("aedetect.drift.description._NEAR", 100.0)
    days = days_of([0.0, 3.0, 3.0])
    (alone,) = describe_shifts(judge(days), days)
    assert (alone.entity, alone.world, alone.named) == ("pump", False, "2026-01-03")
    assert "its scores are 1 times the usual" in alone.text
    days = [replace(day, psi=day.psi | {"east": day.psi["pump"], "west": day.psi["pump"]})
            for day in days]  # fmt: skip
    (together,) = describe_shifts(judge(days), days)
    assert (together.world, together.entities) == (True, 3)


SHIFT = Shift(
    entity="pump", world=False, entities=1, since="2026-01-01", named="2026-01-03",
    until="2026-01-09", kind="scores", columns=(), times=3.0, far=1.2, distributions=(), who="pump",
    text="pump: shift",
)  # fmt: skip


def test_an_entity_far_from_its_level_is_an_alert():
    """Of one that shifted little there is none, nor of all together, nor a second one."""
    far = replace(SHIFT, far=2.5)
    world = replace(far, entity=None, world=True)
    assert list(fault_alerts([far, SHIFT, world], told=())) == ["slow fault: pump"]
    assert fault_alerts([far], told={"pump"}) == {}


def test_a_run_tells_what_it_named_first():
    """What was named before is one line, whatever it is."""
    shift = SHIFT
    assert shift_warnings([shift], since="2026-01-03") == ("pump: shift",)
    assert shift_warnings([shift], since="2026-01-04") == ("still shifted, as named before: pump",)
    many = [replace(shift, who=f"{at}", text=f"{at}: shift") for at in range(5)]
    assert shift_warnings(many, since="2026-01-01")[-1] == (
        "2 more entities have shifted: aedetect drift CONFIG"
    )
