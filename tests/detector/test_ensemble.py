"""The score "ensemble": members over several time scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.data import Feature
from aedetect.detector.ensemble import LEVEL, MEMBERS, RowErrors, member_values
from aedetect.detector.ensemble_units import (
    blocks_of,
    contiguous,
    find_switches,
    learn_typical,
)
from aedetect.detector.shapes import LENGTHS, ShapeErrors
from aedetect.detector.ticks import TICKS
from aedetect.jobs.fit_scorer import series_of
from aedetect.preprocessing import Part


@pytest.fixture(scope="module")
def long(make_frame, write, learn, tmp_path_factory):
    """A detector of two machines whose rows are more than the longest mean takes."""
    return learn_long(make_frame, write, learn, tmp_path_factory.mktemp("long"))


def learn_long(make_frame, write, learn, folder):
    """Train on 2,400 rows, some way through which the sensors become restless."""
    frame = make_frame(rows=2_400)
    write(frame, folder / "train.parquet")
    learnt = learn(folder)
    return learnt, series_of(learnt.ingested, learnt.prepared)


def every(series):
    """Request every row."""
    return np.ones(len(series.back), dtype=bool)


def slow_means(values, minutes, rows):
    """The mean over the last rows, one by one."""
    found = []
    for row in range(len(values)):
        first = max(row - rows + 1, 0)
        near = minutes[first : row + 1] > minutes[row] - rows
        found.append(values[first : row + 1][near].mean())
    return np.array(found)


def test_the_score_is_that_of_a_slow_reference(long):
    """Of one machine: every member and the level, row by row."""
    learnt, series = long
    scorer = learnt.detector.scorer
    own = (series.entity == 0) & scorer.can_score(series)
    rows, found = scorer.judge(series, own)
    expected = scorer.expect(series, rows)
    columns = series.matrix[rows, : expected.shape[1]].astype(float)
    residual = np.square(columns - expected).mean(axis=1)
    deviation = np.empty(len(rows))
    for place, row in enumerate(rows):
        first = row - min(series.back[row], 15)
        center = series.matrix[first : row + 1, : expected.shape[1]].astype(float).mean(axis=0)
        deviation[place] = np.square(columns[place] - center).mean()
    minutes = learnt.ingested.rows.time[rows] // learnt.ingested.schema.period
    typical = scorer.residuals.typical[0].astype(float)
    logs = {}
    for number, name in enumerate(MEMBERS[:-1]):
        values = residual if name[0] == "R" else deviation
        mean = slow_means(values, minutes, int(name[1:]))
        logs[name] = np.log1p(mean / typical[number])
    alone = logs["R1"] + logs["V1"]
    level = np.empty(len(rows))
    for place, minute in enumerate(minutes):
        near = (minutes > minute - 720) & (minutes <= minute) & (minutes % 8 == 0)
        level[place] = (np.minimum(alone[near], 1).sum() + 4 * typical[LEVEL]) / (near.sum() + 4)
    score = (np.sqrt(logs["R10"]) + np.sqrt(logs["V30"])) ** 2 + alone / 2 + logs["R60"] / 2
    np.testing.assert_allclose(found.score, score / level**0.25, rtol=1e-4)


@pytest.mark.parametrize("alignment", ["causal", "centered"])
def test_a_row_is_judged_alike_among_others(long, alignment):
    """Bitwise, whichever rows are requested, and however much lies before their look-back."""
    learnt, series = long
    scorer = replace(learnt.detector.scorer, alignment=alignment)
    apart = np.zeros(len(series.back), dtype=bool)
    apart[1_000:1_040] = True
    series = replace(series, apart=apart)
    rows, whole = scorer.judge(series, every(series))
    some = np.zeros(len(series.back), dtype=bool)
    some[rows[7::173]] = True
    chosen, part = scorer.judge(series, some)
    same = np.isin(rows, chosen)
    assert part.score.tobytes() == whole.score[same].tobytes()
    where = np.arange(len(chosen))
    assert part.contributions(where).tobytes() == whole.contributions(same).tobytes()


def test_rows_older_than_the_lookback_change_nothing(long):
    """Bitwise: the last rows of a machine, with all rows before them and without."""
    learnt, series = long
    scorer, time = learnt.detector.scorer, learnt.ingested.rows.time
    last = np.flatnonzero(series.entity == series.entity[-1])[-40:]
    asked = np.zeros(len(time), dtype=bool)
    asked[last] = True
    rows, whole = scorer.judge(series, asked)
    begin = int(np.flatnonzero(time >= time[last[0]] - scorer.lookback)[0])
    begin = max(begin, int(np.flatnonzero(series.entity == series.entity[-1])[0]))
    names = ("matrix", "observed", "entity", "back", "valid", "tick")
    cut = replace(series, **{name: getattr(series, name)[begin:] for name in names})
    cut = replace(cut, matrix=np.ascontiguousarray(cut.matrix))
    later, part = scorer.judge(cut, asked[begin:])
    assert (later + begin).tolist() == rows.tolist()
    assert part.score.tobytes() == whole.score.tobytes()


def test_contributions_add_up_to_the_score(long):
    """Each member is split over the features as it was added."""
    learnt, series = long
    rows, found = learnt.detector.scorer.judge(series, every(series))
    parts = found.contributions(np.arange(len(rows)))
    assert (parts >= 0).all()
    np.testing.assert_allclose(parts.sum(axis=1), found.score, rtol=1e-4)


def test_a_score_without_features_is_that_of_the_others(long):
    """Without any it is 0, without none itself, and less without the one to blame."""
    learnt, series = long
    values = series.matrix.copy()
    values[:, 0] += np.float32(9)
    moved = replace(series, matrix=values)
    rows, found = learnt.detector.scorer.judge(moved, every(series))
    shape = (len(rows), learnt.detector.scorer.residuals.size.shape[1])
    none, one = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    one[:, 0] = True
    assert found.parts.without(none).tobytes() == found.score.tobytes()
    assert np.abs(found.parts.without(~none)).max() < 1e-3
    blamed = found.contributions(np.arange(len(rows)))[:, 0] / found.score
    left = found.parts.without(one) / found.score
    assert np.corrcoef(blamed, left)[0, 1] < -0.8


def test_rows_apart_leave_later_rows_alone(long):
    """A burst of planned work does not raise the score of an hour after it."""
    learnt, series = long
    scorer = learnt.detector.scorer
    rows, before = scorer.judge(series, every(series))
    begin = int(rows[500])
    values = series.matrix.copy()
    values[begin : begin + 20] += np.float32(30)
    moved = replace(series, matrix=values)
    apart = np.zeros(len(series.back), dtype=bool)
    apart[begin : begin + 20 + 15] = True
    later = (rows > begin + 34) & (rows < begin + 100)
    plain = scorer.judge(moved, every(series))[1].score[later]
    kept = scorer.judge(replace(moved, apart=apart), every(series))[1].score[later]
    assert np.median(plain / before.score[later]) > 1.5
    assert np.median(kept / before.score[later]) == pytest.approx(1, abs=0.2)


def errors_of(residual, *, deviation=None, switches=(), minutes=None):
    """RowErrors of rows of one machine, a minute apart."""
    cells = np.asarray(residual, dtype=np.float32)
    flags = np.zeros(cells.shape[1], dtype=bool)
    flags[list(switches)] = True
    tick = (np.arange(len(cells)) if minutes is None else np.asarray(minutes)) * TICKS
    other = np.zeros_like(cells) if deviation is None else np.asarray(deviation, np.float32)
    seen = np.ones(cells.shape, dtype=bool)
    used, owner = np.ones(len(cells), dtype=bool), np.arange(cells.shape[1])
    none = np.zeros((LENGTHS, len(cells)))
    shapes = ShapeErrors(None, cells, np.arange(len(cells)), owner, none, none.astype(np.int64) - 1)
    return RowErrors(tick, cells, other, seen, used, flags, shapes)


def test_switches_are_a_member_of_their_own():
    """Their residual is in no other member, nor is that of the others in theirs."""
    cells = np.array([[1.0, 0.0, 5.0], [3.0, 2.0, 7.0]])
    values = member_values(errors_of(cells, switches=[2]), np.arange(2))
    found = dict(zip(MEMBERS, values.tolist(), strict=True))
    assert found["R1"] == [0.5, 2.5]
    assert found["R10"] == pytest.approx([0.5, 1.5])
    assert found["S1"] == [5.0, 7.0]


def test_columns_of_two_values_and_categories_are_switches():
    """Unless there are no others to score by."""
    features = (Feature("a", "number"), Feature("b", "number"), Feature("c", "category", ("x",)))
    values = np.array([[0.1, 0, 0], [0.2, 1, 0], [0.3, 1, 0]], dtype=np.float32)
    assert find_switches(features, values).tolist() == [False, True, True]
    assert not find_switches(features[1:], values[:, 1:]).any()


def test_units_lie_between_the_entity_and_all_together():
    """In the middle by ratio, and at least 0.3 of that of all; of few rows, that of all."""
    random = np.random.default_rng(0)
    sizes = np.repeat([1.0, 100.0, 1e-6, 50.0], [4_000, 4_000, 4_000, 50])
    entity = np.repeat(np.arange(4, dtype=np.int32), [4_000, 4_000, 4_000, 50])
    cells = (random.exponential(size=len(sizes)) * sizes)[:, None]
    errors = errors_of(cells)
    errors = replace(errors, tick=errors.tick + entity * 10**7)
    typical = learn_typical(errors, entity, entities=4)
    pooled = np.quantile(cells[:, 0], 0.99)
    own = [np.quantile(cells[entity == code, 0], 0.99) for code in (0, 1)]
    unit = typical[:, MEMBERS.index("R1")]
    assert unit[4] == pytest.approx(pooled, rel=1e-3)
    assert unit[1] == pytest.approx(np.sqrt(own[1] * pooled), rel=0.01)
    assert unit[0] == pytest.approx(max(np.sqrt(own[0] * pooled), 0.3 * pooled), rel=0.01)
    assert unit[2] == pytest.approx(0.3 * pooled, rel=1e-3)
    assert unit[3] == unit[4]
    assert (typical > 0).all()


def test_blocks_hold_neighbours_of_every_entity():
    """About as many rows as allowed, in runs."""
    ends = np.arange(100_000)
    chosen = blocks_of(ends, most=20_000, entities=50)
    assert 19_000 < len(chosen) < 21_000
    assert (np.diff(chosen) == 1).mean() > 0.99
    assert len(np.unique(chosen // 2_000)) == 50
    assert blocks_of(ends, most=100_000, entities=1) is ends


def test_rows_between_strided_windows_are_taken_too():
    """Where a whole window ends at them."""
    back = np.array([0, 1, 2, 3, 4, 0, 1, 2, 3])
    assert contiguous(np.array([2, 4]), back, length=3, stride=2).tolist() == [2, 3, 4]
    assert contiguous(np.array([2, 7]), back, length=3, stride=3).tolist() == [2, 7]


def test_units_are_learnt_without_the_calibration_rows(make_frame, write, learn, tmp_path):
    """Wild rows there change no unit."""
    frame = make_frame(rows=2_400)
    found = []
    for number, factor in enumerate((1.0, 50.0)):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = frame.copy()
        numbers = rows.select_dtypes("number").columns
        late = rows.groupby("unit").cumcount() >= 2_000
        rows.loc[late, numbers] *= factor
        write(rows, folder / "train.parquet")
        learnt = learn(folder)
        assert learnt.prepared.windows[Part.CALIBRATE].ends.size
        found.append(learnt.detector.scorer.residuals.typical)
    np.testing.assert_array_equal(found[0], found[1])
