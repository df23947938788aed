"""A shift that stays is one alarm: it is named once, also over pauses of some days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from aedetect.drift import DRIFT
from aedetect.drift.daily_table import read_blocks
from aedetect.drift.description import Shift
from aedetect.drift.episodes import judge
from aedetect.drift.partition_sums import SCHEMA
from aedetect.drift.shifts import fault_alerts, shift_warnings, shifts_of
from aedetect.output.atomic import Origin
from aedetect.output.partitions import Partition, Span
from aedetect.output.table_writer import TableWriter
from aedetect.wall_clock import WallClock

DAY, FIRST = 86_400_000_000_000, date(2026, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
ORIGIN = Origin(
    model_name="pumps", model_version=1, calibration_version=1, config_hash="", lookback=0,
    max_gap=0, inputs={},
)  # fmt: skip
COUNTS = [9] * 16
COLUMN = {
    "scope": "entity", "column": "heat", "rows": 144, "whole_day": 100, "missing": 0, "unseen": 0,
    "psi_limit": 1.0, "missing_limit": 0.05, "counts": COUNTS, "usual": COUNTS, "edges": [0.0] * 15,
    "block_days": 1,
}  # fmt: skip
SCORES = {
    "scope": "entity", "rows": 144, "whole_day": 100, "bets": 48, "usual_log_score": 0.0,
    "score_limit": 0.3, "block_days": 1,
}  # fmt: skip


@pytest.fixture
def days_of(tmp_path):
    """Write days on which some pumps move, among others that do not; return them as read."""

    def written(psi, times=None, *, moving=("pump",), others=("east", "west", "south")):
        for at, (far, level) in enumerate(zip(psi, times or [1.0] * len(psi), strict=True)):
            rows = []
            for name in (*others, *moving):
                moved = name in moving
                score = float(np.log(level)) if moved else 0.0
                rows.append(COLUMN | {"entity": name, "psi": float(far) if moved else 0.0})
                log_p = -48.0 * 3 if score > 0.3 else -40.0
                rows.append(SCORES | {"entity": name, "log_p": log_p, "log_score": score})
            path = Partition((FIRST + at) * DAY, "day").path(tmp_path, DRIFT)
            path.parent.mkdir(parents=True, exist_ok=True)
            with TableWriter(path, SCHEMA, ORIGIN, synced=False) as writer:
                writer.write(pa.RecordBatch.from_pylist(rows, SCHEMA))
        blocks = read_blocks(tmp_path, span=Span(), clock=WallClock())
        assert len(blocks) == len(psi)
        return blocks

    return written


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
