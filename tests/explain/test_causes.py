"""The causes of an anomalous row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.calibration.calibration import Threshold
from aedetect.data import Rows
from aedetect.detector.far_values import FarValues
from aedetect.detector.reconstruction import last_rows
from aedetect.detector.rules import CONSTANT, FAR
from aedetect.explain import rank_causes
from aedetect.explain.causes import blame_rules
from aedetect.scoring import score_rows
from aedetect.timestamps import NANOSECONDS


@pytest.fixture(scope="module")
def with_fault(make_frame):
    """Twenty rows of one unit, the last of which has a wrong b."""
    frame = make_frame(units=("east",), start="2026-02-01", rows=20, features=("a", "b"))
    values = np.ascontiguousarray(frame[["a", "b"]].to_numpy())
    values[-1, 1] += 25
    return Rows(
        time=frame["time"].to_numpy().astype("datetime64[ns]").astype(np.int64),
        entity=np.zeros(20, dtype=np.int32),
        names=("east",),
        values=values,
    )


def explained(detector, rows):
    """The causes of each row that can be scored."""
    low = replace(detector.calibration, threshold=Threshold(-1.0, "quantile", 1.0), own={})
    scored = score_rows(
        replace(detector, calibration=low), rows, np.ones(len(rows), dtype=np.bool_)
    )
    found = rank_causes(detector.scorer.preparation, scored, rows.values[scored.flagged])
    return scored, found.to_pylist()


def test_the_wrong_feature_comes_first_with_what_was_seen_and_expected(detector, with_fault):
    """In its own unit: about 10 was expected, 25 more was observed."""
    first = explained(detector, with_fault)[1][-1][0]
    assert first["feature"] == "b"
    assert first["share"] > 0.5
    assert first["observed"] == with_fault.values[-1, 1]
    assert first["observed"] - first["expected"] > 10


def test_shares_sum_to_one_and_come_largest_first(detector, with_fault):
    """Over all features of each row."""
    for row in explained(detector, with_fault)[1]:
        shares = [cause["share"] for cause in row]
        assert len(shares) == 2
        assert sum(shares) == pytest.approx(1)
        assert shares == sorted(shares, reverse=True)


def test_expected_is_the_models_own_reconstruction(detector, with_fault):
    """Not a mean of the input: it follows from the network, step by step."""
    scorer = detector.scorer
    prepared = scorer.preparation.transform(with_fault)
    ends = np.arange(scorer.length - 1, len(with_fault) - 1)  # all but the faulty row
    rebuilt = last_rows(scorer.model, prepared.matrix, ends)
    units = rebuilt * scorer.preparation.scaling.scale[0] + scorer.preparation.scaling.center[0]
    for row, found in enumerate(explained(detector, with_fault)[1][:-1]):
        expected = {cause["feature"]: cause["expected"] for cause in found}
        assert [expected["a"], expected["b"]] == pytest.approx(units[row].tolist(), rel=1e-5)


def without_rule(detector, nothing):
    """The detector without the rule of far values."""
    rules = replace(detector.scorer.rules, far=nothing)
    return replace(detector, scorer=replace(detector.scorer, rules=rules))


def test_another_model_gives_other_causes_of_the_same_rows(
    detector, with_fault, learn, training_folder
):
    """The explanation is the model's, so it changes with the model."""
    other = learn(training_folder, model={"variant": "linear"}, window={"length": 2}).detector
    nothing = FarValues.none(2, 2)  # which would leave no share to other columns
    shares = [
        {cause["feature"]: cause["share"] for cause in explained(each, with_fault)[1][-1]}["b"]
        for each in (without_rule(detector, nothing), without_rule(other, nothing))
    ]
    assert shares[0] != shares[1]


def test_a_missing_feature_is_not_observed_and_has_no_share(detector, with_fault):
    """The expected value is still reported."""
    rows = replace(with_fault, values=with_fault.values.copy())
    rows.values[-1, 0] = np.nan
    last = explained(detector, rows)[1][-1][-1]
    assert (last["feature"], last["share"], last["observed"]) == ("a", 0, None)
    assert np.isfinite(last["expected"])


def test_a_category_is_named_with_the_value_seen(make_frame, train_on):
    """Observed counts as 1, expected is what the model gives that value; a new one gets 0."""
    frame = make_frame(rows=300)
    frame["mode"] = np.where(frame["a"] > 0, "fast", "eco")
    detector = train_on(frame, model={"variant": "linear"}).detector
    values = np.array([[1.0, 12, 1]] * 5 + [[1.0, 12, 0], [1.0, 12, -1]])
    rows = Rows(
        time=np.arange(7) * NANOSECONDS["min"],
        entity=np.zeros(7, dtype=np.int32),
        names=("east",),
        values=values,
    )
    found = [{cause["feature"]: cause for cause in row} for row in explained(detector, rows)[1]]
    assert "mode=fast" in found[0]
    assert found[2]["mode=eco"]["observed"] == 1
    assert found[2]["mode=eco"]["expected"] < 0.9
    assert found[3]["mode=(new)"]["expected"] == 0


def test_a_cause_says_whether_the_value_is_unusual_in_itself(detector, make_frame):
    """Outside of its own range, or usual and only wrong given the other column."""
    frame = make_frame(units=("east",), start="2026-02-01", rows=20, features=("a", "b"))
    values = np.ascontiguousarray(frame[["a", "b"]].to_numpy())
    values[:, 0] = 0.001 * np.arange(20)  # no row is the same as the one before: none is stuck
    values[:, 1] = 10 + values[:, 0]
    values[-1, 1] = 35.0
    rows = Rows(
        time=frame["time"].to_numpy().astype("datetime64[ns]").astype(np.int64),
        entity=np.zeros(20, dtype=np.int32),
        names=("east",),
        values=values,
    )
    found = explained(detector, rows)[1]
    said = [{cause["feature"]: cause["unusual"] for cause in row} for row in found]
    assert said[-2] == {"a": "given the others", "b": "given the others"}
    assert said[-1] == {"a": "given the others", "b": "in itself"}


def test_the_cell_furthest_out_is_blamed_first():
    """Of columns that broke the same rule; then those of other rules, and what is unusual."""
    blamed = np.array([[9.0, 1, 1, 1, 5]], dtype=np.float32)
    broken = np.array([[0, FAR, FAR, CONSTANT, 0]], dtype=np.int8)
    alone = np.array([[True, True, True, True, False]])
    found = blame_rules(blamed, broken, np.array([[0.0, 6, 30, 0, 0]]), alone=alone)
    assert np.argsort(-found[0], kind="stable").tolist() == [2, 1, 3, 0, 4]
    assert found[0, 4] == 0
