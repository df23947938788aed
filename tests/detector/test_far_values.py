"""Values far beyond the training range: which are flagged, for how long, and their p-values."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aedetect.data import Feature, Rows
from aedetect.detector.far_values import HISTORY, FarValues

COUNT = 7_291
NOISE = np.random.default_rng(0).normal(size=COUNT)
PERIOD = 10


def rows(values, *, names=("east",), time=None):
    """Rows of one column, of units one after the other."""
    each = len(values) // len(names)
    clock = np.tile(np.arange(each) * PERIOD, len(names)) if time is None else np.asarray(time)
    unit = np.repeat(np.arange(len(names), dtype=np.int32), each)
    matrix = np.asarray(values, dtype=np.float64)[:, None]
    return Rows(time=clock.astype(np.int64), entity=unit, names=names, values=matrix)


def fitted(learnt, kind="number"):
    """What is learnt of rows."""
    count = len(learnt.names)
    return FarValues.fit(learnt, [Feature("a", kind)], np.full(count + 1, PERIOD, dtype=np.int64))


def found(far, values, **other):
    """The far rows."""
    table = rows(values, **other)
    return np.flatnonzero(far.find(table, table.entity)).tolist()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [10, 20, 50, 100])
def test_ten_standard_deviations_are_far(size, sign):
    """On either side; five are not, so near to what training held."""
    seen = NOISE[:300].copy()
    seen[100], seen[200] = sign * size, sign * 5
    assert found(fitted(rows(NOISE)), seen) == [100]


@pytest.mark.parametrize("odd", [0.0, 1.0])
@pytest.mark.parametrize("place", [0, COUNT // 2, COUNT - 1, 17])
def test_one_odd_row_among_thousands_does_not_widen_the_range(odd, place):
    """It may be the fault itself: 0.5 for all rows but one, and then 1.0 is far out."""
    learnt = np.full(COUNT, 0.5)
    learnt[place] = odd
    seen = np.full(50, 0.5)
    seen[20] = 1.0
    assert found(fitted(rows(learnt)), seen) == [20]
    seen[20] = 0.5 + 10 * learnt.std()
    assert found(fitted(rows(learnt)), seen) == [20]


def test_what_training_held_twice_is_normal():
    """A flag that is rarely 1 is not far out when it is 1 again."""
    learnt = np.zeros(COUNT)
    learnt[[1_000, 5_000]] = 1.0
    seen = np.zeros(50)
    seen[20], seen[30] = 1.0, 2.0
    assert found(fitted(rows(learnt)), seen) == [30]


def test_a_column_that_has_moved_is_flagged_for_a_while_and_again_when_it_moves_on():
    """Real columns drift; later rows as far out are no news, a third further is."""
    seen = np.zeros(400)
    seen[100:300], seen[300:] = 30, 45
    first = 16 + 3 + 60  # rows that do not count, rows that do, and how long news lasts
    flagged = [*range(100, 100 + first), *range(300, 300 + first)]
    assert found(fitted(rows(NOISE)), seen) == flagged


@pytest.mark.parametrize("usual", [NOISE, np.r_[np.full(COUNT - 1, 0.5), 1.0]])
@pytest.mark.parametrize(("rise", "size"), [(16, 10), (16, 20), (55, 10), (60, 20), (60, 100)])
def test_the_end_of_a_ramp_is_far(usual, rise, size):
    """The rows of the rise do not make it usual; also in a column that is nearly constant."""
    seen = usual[:300].copy()
    end = usual.mean() + size * usual.std()
    seen[100 : 100 + rise] += np.arange(1, rise + 1) / (rise + 1) * (end - seen[100])
    seen[100 + rise] = end
    flagged = found(fitted(rows(usual)), seen)
    assert flagged
    assert flagged[-1] == 100 + rise


def test_a_slow_ramp_of_a_nearly_constant_column_is_far():
    """Values that are not far themselves do not make one usual."""
    usual = np.r_[np.full(COUNT - 1, 0.5), 1.0]
    seen = 0.5 + usual.std() * np.r_[np.zeros(20), np.linspace(0, 10, 61)]
    assert 80 in found(fitted(rows(usual)), seen)


def test_a_drift_that_leaves_slowly_is_no_news_once_it_is_far():
    """A column on its way for longer than an hour's rows is known; so is one of few rows learnt."""
    drift = np.r_[NOISE[:50], np.linspace(0, 12, 400)]
    assert found(fitted(rows(NOISE)), drift) == []
    ramp = np.r_[NOISE[:50], np.linspace(0, 10, 57)]
    assert found(fitted(rows(NOISE)), ramp)[-1] == len(ramp) - 1
    few = fitted(rows(np.r_[NOISE[: HISTORY - 1]]))
    assert len(ramp) - 1 not in found(few, ramp)


def test_news_ends_with_its_run():
    """A row that is not far ends it, and so does the end of a unit."""
    seen = np.zeros(400)
    seen[100:200] = seen[201:210] = 30
    assert not set(range(200, 210)) & set(found(fitted(rows(NOISE)), seen))
    far = fitted(rows(np.r_[NOISE, NOISE], names=("east", "west")))
    both = np.r_[np.full(200, 30.0), np.full(200, 30.0)]
    flagged = found(far, both, names=("east", "west"))
    assert flagged == [*range(79), *range(200, 279)]


def test_what_is_long_ago_is_forgotten():
    """By time, so that the rows it is compared with are bounded, whatever gaps there are."""
    seen = np.zeros(40)
    seen[:10] = seen[30:] = 30
    time = np.arange(40) * PERIOD
    time[30:] += (HISTORY - 27) * PERIOD  # the last rows of the first ten are just remembered
    assert found(fitted(rows(NOISE)), seen, time=time) == [*range(10), *range(34, 40)]
    time[30:] += 10 * PERIOD
    assert found(fitted(rows(NOISE)), seen, time=time) == [*range(10), *range(30, 40)]


def test_units_have_ranges_of_their_own():
    """And no unit's history is that of another."""
    far = fitted(rows(np.r_[NOISE, 100 + NOISE], names=("east", "west")))
    seen = np.r_[np.zeros(20), np.full(20, 100.0)]
    assert found(far, seen, names=("east", "west")) == []
    assert found(far, seen[::-1], names=("east", "west")) == list(range(40))
    table = rows(np.r_[50.0, 700.0])
    unseen = far.find(table, np.full(2, -1, dtype=np.int32))
    assert np.flatnonzero(unseen).tolist() == [1]  # of an unseen unit, by all together


def test_constants_texts_and_few_rows_have_no_range():
    """Constants have a rule of their own; ten rows tell no range."""
    assert np.isnan(fitted(rows(np.ones(100))).margin).all()
    assert np.isnan(fitted(rows(NOISE), kind="category").margin).all()
    assert np.isnan(fitted(rows(NOISE[:10])).margin).all()
    assert FarValues.none(1, 1).lookback == 0


def test_a_row_is_judged_alike_wherever_its_table_begins():
    """All that it is compared with lies within the look-back, and survives saving."""
    learnt = fitted(rows(NOISE))
    far = FarValues.restored(json.loads(json.dumps(learnt.described())))
    random = np.random.default_rng(1)
    seen = np.where(random.random(3_000) < 0.01, 40.0, 0.0) + random.normal(size=3_000)
    seen[500:520] = 60
    seen[700:850] = 60
    seen[2_000:2_200] = 80
    clock = np.cumsum(random.integers(1, 40, len(seen)))
    table = rows(seen, time=clock)
    whole = far.find(table, table.entity)
    assert 8 < whole.sum() < (seen > 20).sum()
    for row in np.flatnonzero(seen > 20).tolist():
        first = int(np.searchsorted(clock, clock[row] - far.lookback))
        part = table.take(slice(first, row + 1))
        assert far.find(part, part.entity)[-1] == whole[row]


def test_the_p_value_falls_with_the_distance():
    """From one in as many rows as were learnt from, or from that of the score where it is less."""
    far = fitted(rows(NOISE))
    values = np.array([0.0, 10.0, 20.0, 50.0, 100.0])[:, None]
    entity = np.zeros(5, dtype=np.int32)
    distance = far.distances(values, entity, values > 5)
    p_value = far.p_values(np.full(5, 0.3), distance, entity)
    assert p_value[0] == 0.3
    assert p_value[1] <= 1 / (COUNT + 1)
    assert (np.diff(p_value) < 0).all()
    low = far.p_values(np.full(5, 1e-9), distance, entity)
    assert (low <= 1e-9).all()
    assert low[-1] < low[1]
    assert (low > 0).all()


def test_distances_are_standard_deviations_beyond_the_range():
    """Of cells that are far; none of the others, nor of a column without a rule."""
    far = fitted(rows(NOISE))
    values, entity = np.array([[20.0], [NOISE.max()]]), np.zeros(2, dtype=np.int32)
    distance = far.distances(values, entity, np.array([[True], [False]]))
    assert distance[:, 0] == pytest.approx([(20 - NOISE.max()) / NOISE.std(), 0])
    nothing = FarValues.none(1, 1).distances(values, entity, np.zeros((2, 1), dtype=bool))
    assert nothing.tolist() == [[0], [0]]


@pytest.mark.parametrize("huge", [1e36, 1e149, 1e300, np.inf])
def test_no_number_makes_a_range_that_is_not_finite(huge):
    """Such a detector could not be saved; what is too large to be scaled is not learnt from."""
    learnt = NOISE.copy()
    learnt[5] = huge
    far = fitted(rows(learnt))
    json.dumps(far.described(), allow_nan=False)
    if huge > 1e150:
        seen = NOISE[:50].copy()
        seen[20] = 10
        assert found(far, seen) == [20]
