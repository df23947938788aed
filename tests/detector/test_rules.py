"""What flags a row whatever its score: columns that change, values never seen, stuck sensors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aedetect.data import Feature, Rows, Schema
from aedetect.detector.rules import (
    CONSTANT,
    FAR,
    MOST_ROWS,
    NONE,
    STUCK,
    UNSEEN,
    ColumnRules,
    described_rules,
    restored_rules,
)
from aedetect.detector.settings import RuleSettings

NUMBER = Feature("load", "number")
STATE = Feature("state", "category", ("off", "on"))


def schema_of(*features):
    """A schema with a row each nanosecond."""
    return Schema(
        timestamp="t", aware=False, entity="u", features=features, context=(), period=1, max_gap=5
    )


def rows(*values, names=("east",), time=None):
    """Rows of units one after the other, each as long as the others, from columns."""
    matrix = np.stack([np.asarray(column, dtype=np.float64) for column in values], axis=1)
    each = len(matrix) // len(names)
    clock = np.tile(np.arange(each, dtype=np.int64), len(names)) if time is None else time
    unit = np.repeat(np.arange(len(names), dtype=np.int32), each)
    return Rows(time=clock, entity=unit, names=names, values=matrix)


def broken(learnt, seen, *features, entity=None, **settings):
    """The rules that rows break, given those learnt from."""
    schema = schema_of(*features)
    rules = ColumnRules.fit(learnt, schema=schema, settings=RuleSettings(**settings))
    codes = seen.entity if entity is None else np.full(len(seen), entity, dtype=np.int32)
    return rules.broken(seen, codes, schema)


NOISE = np.random.default_rng(0).normal(size=400)


@pytest.mark.parametrize(
    ("constant", "seen", "changes"),
    [
        (50.0, [50.0, 52.5, 50.0001, np.nan], [1, 2]),
        (0.0, [0.0, 1.0, 1e-9], [1, 2]),
        (50.1, [50.1, np.float32(50.1), 50.1001], [2]),
        (1e9, [1e9, 1e9 + 1], [1]),
        (1e-9, [1e-9, 1.1e-9, 0.0], [1, 2]),
    ],
)
def test_a_column_that_was_constant_may_not_change(constant, seen, changes):
    """Beyond the resolution of float32, in which a constant may come too; whole numbers exactly."""
    found = broken(rows(np.full(40, constant)), rows(seen), NUMBER)
    assert np.flatnonzero(found[:, 0] == CONSTANT).tolist() == changes


def test_rounding_does_not_make_a_constant_vary():
    """A sum in another order differs in the last digits."""
    learnt = rows(np.where(np.arange(40) % 2, 0.3, 0.1 + 0.2))
    assert broken(learnt, rows([0.3, 0.4]), NUMBER)[:, 0].tolist() == [NONE, CONSTANT]


def test_constants_are_of_each_entity():
    """One unit's value may change though another's may not; the unseen must be as all were."""
    learnt = rows([50.0] * 40 + NOISE[:40].tolist(), [7.0] * 80, names=("east", "west"))
    seen = rows([51.0] * 2, [8.0] * 2, names=("east", "west"))
    features = (NUMBER, Feature("mode", "number"))
    found = broken(learnt, seen, *features, far="ignore").tolist()
    assert found == [[CONSTANT] * 2, [NONE, CONSTANT]]
    assert broken(learnt, seen, *features, entity=-1).tolist() == [[NONE, CONSTANT]] * 2


def test_few_rows_of_an_entity_say_nothing_of_it():
    """It takes what holds for all together."""
    learnt = Rows(
        time=np.r_[np.arange(40), np.arange(10)],
        entity=np.repeat(np.array([0, 1], dtype=np.int32), [40, 10]),
        names=("busy", "new"),
        values=np.r_[NOISE[:40], np.zeros(10)][:, None],
    )
    assert broken(learnt, rows([0.0, 1.0]), NUMBER, entity=1).tolist() == [[NONE], [NONE]]


def test_a_value_never_seen_breaks_a_rule():
    """A missing one does not, nor does one of those that were."""
    learnt = rows(NOISE[:40], np.arange(40) % 2)
    seen = rows([0.1] * 4, [0, 1, -1, np.nan])
    assert broken(learnt, seen, NUMBER, STATE)[:, 1].tolist() == [NONE, NONE, UNSEEN, NONE]


def test_a_state_that_one_entity_was_always_in_is_constant_there():
    """Another unit's state is no stranger to the network, but to this unit."""
    learnt = rows([1.0] * 40 + [0.0, 1.0] * 20, names=("east", "west"))
    seen = rows([0.0, 0.0], names=("east", "west"))
    assert broken(learnt, seen, STATE)[:, 0].tolist() == [CONSTANT, NONE]


@pytest.mark.parametrize(("run", "limit"), [(1, 10), (4, 40), (10, 90), (20, 120)])
def test_a_number_is_stuck_far_beyond_its_longest_run(run, limit):
    """As many steps at one value are accepted, not one more."""
    learnt = NOISE[:200].copy()
    learnt[50 : 51 + run] = 1.0
    seen = NOISE[200:].copy()
    seen[20:180] = 2.0
    found = broken(rows(learnt), rows(seen), NUMBER)
    assert np.flatnonzero(found[:, 0] == STUCK).tolist() == list(range(21 + limit, 180))


def test_a_number_may_stay_at_a_value_that_is_common_in_training():
    """An idle load of 0 is none of a stuck sensor; a rare value held as long is."""
    learnt = NOISE[:200].copy()
    learnt[::8] = 0.0
    seen = NOISE[200:].copy()
    seen[20:60], seen[100:140] = 0.0, 0.1
    found = broken(rows(learnt), rows(seen), NUMBER)
    assert np.flatnonzero(found[:, 0] == STUCK).tolist() == list(range(111, 140))


def test_common_values_are_of_each_entity():
    """What is common for one is not for another; an unseen one takes those of all together."""
    quiet, busy = NOISE[:200].copy(), NOISE[200:].copy()
    quiet[::2] = 0.0
    busy[::50] = 5.0
    learnt = rows(np.r_[quiet, busy], names=("quiet", "busy"))
    seen = rows(np.zeros(30))
    counts = [
        int((broken(learnt, seen, NUMBER, entity=code) == STUCK).sum()) for code in (0, 1, -1)
    ]
    assert counts == [0, 19, 0]


def test_common_values_survive_saving():
    """They are part of the rules as JSON."""
    learnt = NOISE[:200].copy()
    learnt[::8] = 0.0
    schema = schema_of(NUMBER)
    rules = ColumnRules.fit(rows(learnt), schema=schema, settings=RuleSettings())
    restored = restored_rules(json.loads(json.dumps(described_rules(rules))))
    still = rows(np.zeros(50))
    assert restored.resting.value.tolist() == [0.0, 0.0]  # of the unit and of all together
    assert not restored.broken(still, still.entity, schema).any()


def test_a_number_that_never_repeats_is_stuck_after_ten_rows():
    """A chance repetition or two is none."""
    seen = NOISE[200:].copy()
    seen[20:23], seen[40:60] = 2.0, 3.0
    found = broken(rows(NOISE[:200]), rows(seen), NUMBER)
    assert np.flatnonzero(found[:, 0] == STUCK).tolist() == list(range(51, 60))


def test_a_gap_and_a_missing_cell_end_a_run():
    """Nobody knows what the value was in between."""
    seen = np.full(30, 2.0)
    seen[15] = np.nan
    time = np.r_[np.arange(20), 100 + np.arange(10)]
    found = broken(rows(NOISE), rows(seen, time=time), NUMBER)
    assert np.flatnonzero(found).tolist() == [11, 12, 13, 14]


def test_what_stays_the_same_for_long_is_never_stuck():
    """The rows that a rule looks back at are bounded; constants and states have no such rule."""
    steps = np.repeat(NOISE[:4], MOST_ROWS)
    flags = np.arange(len(steps)) % 2
    on = Feature("on", "boolean")
    learnt = ColumnRules.fit(
        rows(steps, np.ones(len(steps)), flags), schema=schema_of(NUMBER, NUMBER, on),
        settings=RuleSettings(far="ignore"),
    )  # fmt: skip
    assert np.isnan(learnt.still).all()
    assert learnt.lookback(max_gap=5) == 0


def test_the_rows_that_a_rule_looks_at_lie_within_its_lookback():
    """Cut off there, a row breaks the same rules."""
    learnt = np.repeat(NOISE[:100], 5)
    schema = schema_of(NUMBER)
    rules = ColumnRules.fit(rows(learnt), schema=schema, settings=RuleSettings())
    seen = np.repeat(np.random.default_rng(1).normal(size=30), np.arange(30))
    clock = np.cumsum(np.random.default_rng(2).integers(1, 7, len(seen)))
    table = rows(seen, time=clock)
    whole = rules.broken(table, table.entity, schema)
    assert 0 < (whole == STUCK).sum() < len(seen)
    for row in range(len(seen)):
        first = int(np.searchsorted(clock, clock[row] - rules.lookback(schema.max_gap)))
        part = table.take(slice(first, row + 1))
        assert rules.broken(part, part.entity, schema)[-1] == whole[row]


@pytest.mark.parametrize("rule", ["constant", "unseen_category", "stuck", "far"])
def test_a_rule_can_be_left_out(rule):
    """The others hold."""
    seen = np.full(40, 2.0)
    table = rows(seen, seen, np.full(40, -1.0), np.full(40, 30.0))
    features = (Feature("a", "number"), Feature("b", "number"), STATE, Feature("c", "number"))
    learnt = rows(np.ones(400), NOISE, np.arange(400) % 2, np.repeat(NOISE[:20], 20))
    of = {"constant": CONSTANT, "unseen_category": UNSEEN, "stuck": STUCK, "far": FAR}
    every = set(np.unique(broken(learnt, table, *features)).tolist())
    left = set(np.unique(broken(learnt, table, *features, **{rule: "ignore"})).tolist())
    assert every == {NONE, CONSTANT, UNSEEN, STUCK, FAR}
    assert left == every - {of[rule]}


def test_no_rule_flags_what_was_learnt_from():
    """However the data are: what they did was normal."""
    random = np.random.default_rng(3)
    learnt = rows(
        random.integers(0, 2, 300), np.repeat(random.normal(size=30), 10), np.ones(300),
        names=("east", "west", "north"),
    )  # fmt: skip
    features = (NUMBER, Feature("b", "number"), Feature("c", "number"))
    assert not broken(learnt, learnt, *features).any()
