"""CalibratedScorer + rows -> verdicts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aedetect.calibration.calibration import Threshold
from aedetect.data import Rows
from aedetect.detector.reconstruction import CHUNK
from aedetect.preprocessing.windows import surrounded, with_context
from aedetect.scoring import score_rows
from aedetect.timestamps import NANOSECONDS

MINUTE = NANOSECONDS["min"]
FAR = "a is far beyond its training range"


def rows_of(frame):
    """A table of sensors, ordered by unit and time, as rows."""
    codes, names = frame["unit"].factorize()
    return Rows(
        time=frame["time"].to_numpy().astype("datetime64[ns]").astype(np.int64),
        entity=codes.astype(np.int32),
        names=tuple(names),
        values=np.ascontiguousarray(frame.drop(columns=["time", "unit"]).to_numpy(dtype=float)),
    )


def scored(detector, rows, wanted=None):
    """Verdicts on all rows, or on the wanted ones."""
    return score_rows(detector, rows, np.ones(len(rows), bool) if wanted is None else wanted)


@pytest.fixture(scope="module")
def fresh(make_frame):
    """Rows of the days after training, with missing cells, infinities, duplicates and gaps."""
    rows = rows_of(make_frame(start="2026-02-01", rows=700, seed=3))
    values, time = rows.values, rows.time.copy()
    values[100:104, 0] = np.nan
    values[200:215, 1] = np.nan
    values[300, 0] = np.inf
    values[800:830] = np.nan
    time[400] = time[399]
    time[500:700] += 60 * MINUTE
    values[650] += 40
    return replace(rows, time=time)


@pytest.fixture(scope="module")
def at_once(detector, fresh):
    """All rows scored at once."""
    return scored(detector, fresh)


@settings(max_examples=15)
@given(st.sets(st.integers(1, 1399), max_size=8))
def test_scores_are_bitwise_equal_however_rows_are_cut(detector, fresh, at_once, cuts):
    """Batches with context give the result of all rows at once: score, p-value and reason."""
    edges = [0, *sorted(cuts), len(fresh)]
    batches = [fresh.take(slice(a, b)) for a, b in pairwise(edges)]
    parts = [
        scored(detector, rows, np.arange(len(rows)) >= before)
        for rows, before in with_context(batches, lookback=detector.scorer.lookback)
    ]
    score = np.concatenate([part.score for part in parts])
    assert score.tobytes() == at_once.score.tobytes()
    p_value = np.concatenate([part.p_value for part in parts])
    np.testing.assert_array_equal(p_value, at_once.p_value)
    reasons = [text for part in parts for text in part.reason_text.to_pylist()]
    assert reasons == at_once.reason_text.to_pylist()


@pytest.mark.parametrize("row", [3, 4, 105, 399, 651, 1399])
def test_a_row_with_its_context_scores_as_among_thousands(detector, fresh, at_once, row):
    """Its position does not matter."""
    first = np.searchsorted(fresh.entity, fresh.entity[row])
    near = np.arange(first, row + 1)
    near = near[fresh.time[near] >= fresh.time[row] - detector.scorer.lookback]
    alone = scored(detector, fresh.take(near), near == row)
    assert alone.score.tobytes() == at_once.score[row : row + 1].tobytes()


@pytest.mark.parametrize("count", [1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_scores_do_not_depend_on_how_many_are_computed(detector, fresh, at_once, count):
    """A padded chunk gives the same result as a full one."""
    few = scored(detector, fresh, np.arange(len(fresh)) < count)
    assert few.score.tobytes() == at_once.score[:count].tobytes()


@pytest.mark.parametrize(
    ("score", "alignment", "smooth"),
    [
        ("mse", "causal", 3),
        ("mse", "centered", 1),
        ("mse", "centered", 4),
        ("ensemble", "causal", 1),
        ("ensemble", "centered", 1),
    ],
)
@settings(max_examples=8)
@given(cuts=st.sets(st.integers(1, 1399), max_size=8))
def test_scores_that_look_around_are_equal_however_rows_are_cut(
    detector, fresh, score, alignment, smooth, cuts
):
    """Smoothed, centered or both, with missing cells, gaps and duplicates."""
    scorer = replace(detector.scorer, score=score, alignment=alignment, smooth=smooth)
    detector = replace(detector, scorer=scorer)
    whole = scored(detector, fresh)
    edges = [0, *sorted(cuts), len(fresh)]
    batches = [fresh.take(slice(a, b)) for a, b in pairwise(edges)]
    parts = []
    for rows, turn in surrounded(batches, lookback=scorer.lookback, lookahead=scorer.lookahead):
        wanted = np.zeros(len(rows), bool)
        wanted[turn] = True
        parts.append(scored(detector, rows, wanted))
    scores = np.concatenate([part.score for part in parts])
    assert scores.tobytes() == whole.score.tobytes()
    reasons = [text for part in parts for text in part.reason_text.to_pylist()]
    assert reasons == whole.reason_text.to_pylist()


def test_a_row_with_too_few_observed_features_is_not_scored(detector, make_frame):
    """The reason has the numbers observed and required; rows after it are scored."""
    rows = rows_of(make_frame(start="2026-02-01", rows=20))
    rows.values[10, 0] = np.nan
    rows.values[12] = np.nan
    preparation = replace(detector.scorer.preparation, min_observed=2)
    strict = replace(detector, scorer=replace(detector.scorer, preparation=preparation))
    reasons = scored(strict, rows).reason_text.to_pylist()
    assert reasons[10] == "1 of 2 features observed, 2 needed"
    assert reasons[12] == "all features are missing"
    assert reasons[3:10] == [None] * 7
    assert scored(detector, rows).reason_text.to_pylist()[10] is None


def test_the_first_rows_have_a_score_where_later_windows_cover_them(detector, make_frame):
    """If centered, a row needs any window that covers it."""
    scorer = replace(detector.scorer, alignment="centered")
    centered = replace(detector, scorer=scorer)
    assert np.isfinite(scored(centered, rows_of(make_frame(rows=4))).score).all()
    reasons = scored(centered, rows_of(make_frame(rows=3))).reason_text.to_pylist()
    assert reasons == ["no full window of 4 rows covers it"] * 6


def test_every_reason_is_given(at_once):
    """The reason names the problem and the column."""
    reasons = at_once.reason_text
    counted = {pair["values"]: pair["counts"] for pair in reasons.value_counts().to_pylist()}
    assert counted.pop(None) > 1200
    assert counted == {
        "needs 3 earlier rows": 6,  # two starts
        "needs 3 earlier rows without a gap over 5min": 3,
        "needs 3 earlier rows without missing values": 3,  # one long hole of all
        "b is missing": 1,  # the first of the rows that are scored without it
        FAR: 1,  # the injected row
        "a is infinite": 1,
        "all features are missing": 10,
        "all features are missing for longer than 10min": 20,
        "duplicate timestamp": 1,
    }


def test_rows_that_miss_a_feature_for_long_can_be_refused(detector, fresh):
    """The column is named, and windows do not hold such rows."""
    preparation = replace(detector.scorer.preparation, missing_after="refuse")
    strict = replace(detector, scorer=replace(detector.scorer, preparation=preparation))
    reasons = scored(strict, fresh).reason_text
    counted = {pair["values"]: pair["counts"] for pair in reasons.value_counts().to_pylist()}
    assert counted.pop(None) > 1200
    assert counted == {
        "needs 3 earlier rows": 6,  # two starts
        "needs 3 earlier rows without a gap over 5min": 3,
        "needs 3 earlier rows without missing values": 6,  # two long holes
        "b is missing for longer than 10min": 5,
        FAR: 1,
        "a is infinite": 1,
        "all features are missing": 10,
        "all features are missing for longer than 10min": 20,
        "duplicate timestamp": 1,
    }


def test_what_is_not_scored_has_no_score_and_is_not_normal(at_once):
    """Never 0 and never normal: no score, no p-value, but a reason."""
    verdict = np.array(at_once.verdict.to_pylist())
    missing = verdict == "not_scored"
    assert missing.any()
    np.testing.assert_array_equal(np.isnan(at_once.score), missing)
    np.testing.assert_array_equal(np.isnan(at_once.p_value), missing)
    by_rule = np.flatnonzero((at_once.reason >= 0) & ~missing)
    assert [at_once.reason_text.to_pylist()[row] for row in by_rule] == ["b is missing", FAR]
    assert (at_once.reason[missing] >= 0).all()
    assert (at_once.score[~missing] > 0).all()


def test_what_scores_above_the_threshold_is_flagged(detector, at_once):
    """These rows, in order, and no others."""
    own = np.repeat(np.array([0, 1], dtype=np.int32), 700)
    with_score = at_once.score > detector.calibration.thresholds(own)
    reason = np.array(at_once.reason_text.to_pylist(), dtype=object)
    by_rule = np.isin(reason, ["b is missing", FAR])
    above = np.flatnonzero(with_score | by_rule)
    assert by_rule.sum() == 2
    assert above.tolist() == at_once.flagged.tolist()
    assert 650 in above
    verdict = np.array(at_once.verdict.to_pylist())
    assert np.flatnonzero(verdict == "anomaly").tolist() == above.tolist()
    p_value = detector.calibration.p_values(at_once.score[above], own[above])
    far = reason[above] == FAR  # its p-value falls with the distance too
    np.testing.assert_array_equal(at_once.p_value[above][~far], p_value[~far])
    assert (at_once.p_value[above][far] < p_value[far]).all()


def test_a_score_at_the_threshold_is_normal(detector, fresh, at_once):
    """Only scores above it are anomalies."""
    highest = float(np.nanmax(at_once.score))
    at = replace(detector.calibration, threshold=Threshold(highest, "quantile", 0.1), own={})
    found = scored(replace(detector, calibration=at), fresh)
    assert [found.reason_text.to_pylist()[row] for row in found.flagged] == ["b is missing", FAR]


def test_the_threshold_is_not_fitted_to_what_is_scored(detector, make_frame):
    """Anomalies are found even if 30 % of a batch is anomalous."""
    rows = rows_of(make_frame(start="2026-02-01", seed=4))
    rows.values[::3] += 30
    verdicts = scored(detector, rows)
    assert np.isin(np.arange(0, 1000, 3)[2:], verdicts.flagged).mean() > 0.98


def test_the_first_of_duplicates_is_scored(detector, make_frame):
    """The others have no effect, regardless of their values."""
    rows = rows_of(make_frame(start="2026-02-01", rows=30))
    twice = np.repeat(np.arange(60), 2)
    double = rows.take(twice)
    double.values[1::2] = 1e9
    verdicts = scored(detector, double)
    assert verdicts.score[::2].tobytes() == scored(detector, rows).score.tobytes()
    assert set(verdicts.reason_text.to_pylist()[1::2]) == {"duplicate timestamp"}


def test_the_largest_numbers_have_a_score(detector, make_frame):
    """A value whose square overflows is anomalous, not missing."""
    rows = rows_of(make_frame(start="2026-02-01", rows=20))
    rows.values[10] = [1e300, -1.7e308]
    verdicts = scored(detector, rows)
    assert np.isfinite(verdicts.score[3:20]).all()
    assert 10 in verdicts.flagged


def test_an_unseen_entity_and_one_without_a_name_are_not_scored(detector, make_frame):
    """They have no typical values."""
    rows = rows_of(make_frame(units=("east", "new", "nameless"), start="2026-02-01", rows=10))
    rows = replace(rows, names=("east", "new", None))
    reasons = scored(detector, rows).reason_text.to_pylist()
    assert reasons[10:] == ["unseen entity"] * 10 + ["entity is missing"] * 10


def test_an_entity_with_fewer_rows_than_a_window_is_not_scored(detector, make_frame):
    """And rows of the neighbouring entity are not used."""
    rows = rows_of(make_frame(start="2026-02-01", rows=3))
    assert scored(detector, rows).reason_text.to_pylist() == ["needs 3 earlier rows"] * 6


def test_no_rows_have_no_verdicts(detector, fresh):
    """An empty day is scored too."""
    verdicts = scored(detector, fresh.take(slice(0)))
    assert len(verdicts.verdict) == len(verdicts.flagged) == 0


def test_rows_are_left_as_they_are(detector, fresh):
    """Scoring does not change its input."""
    before = fresh.values.copy()
    scored(detector, fresh)
    np.testing.assert_array_equal(fresh.values, before)


def test_a_missing_feature_has_no_part_in_the_score(detector, make_frame):
    """The mean is over observed features."""
    rows = rows_of(make_frame(start="2026-02-01", rows=10))
    rows.values[9, 0] = np.nan
    alone = replace(detector.scorer, score="mse")
    verdicts = scored(replace(detector, scorer=alone, calibration=flag_all(detector)), rows)
    row = verdicts.flagged.tolist().index(9)
    assert verdicts.errors[row, 0] == 0
    assert verdicts.score[9] == pytest.approx(verdicts.errors[row, 1])


def flag_all(detector):
    """A calibration that flags every scored row."""
    return replace(detector.calibration, threshold=Threshold(-1.0, "quantile", 1.0), own={})
