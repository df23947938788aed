"""Scorer and detector."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from aedetect.detector.far_values import HISTORY, LASTS, FarValues
from aedetect.detector.reconstruction import CHUNK, last_rows
from aedetect.detector.residuals import Residuals
from aedetect.detector.score_functions import PARTS, learn_residuals
from aedetect.jobs.fit_scorer import series_of
from aedetect.preprocessing import Part
from aedetect.preprocessing.windows import gather


@pytest.fixture
def alone(detector):
    """The scorer, with a score of one row alone."""
    return replace(detector.scorer, score="mse")


@pytest.fixture
def held_out(learnt):
    """The windows that the network was not trained on, and the entity of each row."""
    windows = learnt.prepared.windows[Part.CALIBRATE]
    return windows, learnt.prepared.preparation.entity_codes(learnt.ingested.rows)


def evaluate(scorer, held_out):
    """Scores of the held-out windows."""
    windows, entity = held_out
    return scorer.evaluate(windows.matrix, windows.observed, entity, windows.ends)


def test_expected_is_the_last_step_of_the_reconstruction(detector, held_out):
    """The network's output for the window, for any size of the chunks."""
    windows = held_out[0]
    values = torch.from_numpy(windows.take(slice(None))[0])
    with torch.inference_mode():
        rebuilt = detector.scorer.model(values)[:, -1].numpy()
    found = last_rows(detector.scorer.model, windows.matrix, windows.ends)
    np.testing.assert_allclose(found, rebuilt, rtol=1e-4, atol=1e-5)


def test_no_window_is_left_out_at_the_end_of_a_chunk(detector, held_out):
    """One row more than a chunk, and one row alone: bitwise the same score."""
    windows = held_out[0]
    ends = np.resize(windows.ends, CHUNK + 1)
    found = last_rows(detector.scorer.model, windows.matrix, ends)
    alone = last_rows(detector.scorer.model, windows.matrix, ends[-1:])
    assert np.isfinite(found).all()
    assert found[-1:].tobytes() == alone.tobytes()


def test_the_score_is_the_mean_of_the_features_errors(detector, held_out):
    """Squared residuals, over observed cells."""
    windows = held_out[0]
    scorer = replace(detector.scorer, score="mse")
    evaluated = evaluate(scorer, held_out)
    residual = windows.matrix[windows.ends] - evaluated.expected
    np.testing.assert_allclose(evaluated.errors, residual**2, rtol=1e-5)
    np.testing.assert_allclose(evaluated.score, (residual**2).mean(axis=1), rtol=1e-5)


def test_standardized_errors_are_in_residual_sizes_of_the_entity(detector, held_out):
    """A feature with typically large residuals has less weight."""
    windows, entity = held_out
    sizes = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    plain = replace(detector.scorer, score="mse")
    scaled = replace(detector.scorer, score="standardized", residuals=Residuals(sizes))
    expected = evaluate(plain, held_out).errors / sizes[entity[windows.ends]] ** 2
    np.testing.assert_allclose(evaluate(scaled, held_out).errors, expected, rtol=1e-5)


def test_a_score_is_higher_for_more_anomalous_rows(detector, held_out):
    """The contract of every detector."""
    windows, entity = held_out
    means = []
    for shift in (0, 1, 3, 9):
        matrix = windows.matrix + np.float32(shift) * np.array([1, -1], dtype=np.float32)
        moved = replace(windows, matrix=np.ascontiguousarray(matrix))
        means.append(evaluate(detector.scorer, (moved, entity)).score.mean())
    assert means == sorted(means)


def without_far_values(scorer):
    """The scorer without the rule that looks back furthest."""
    nothing = FarValues.none(len(scorer.preparation.entities), len(scorer.schema.features))
    return replace(scorer, rules=replace(scorer.rules, far=nothing))


def test_scoring_takes_as_much_lookback_as_windows_and_carrying_can_reach(alone):
    """Three steps of the largest gap, one more for the row before, and as long as values last."""
    scorer = alone
    assert scorer.lookback == (HISTORY + LASTS) * scorer.schema.period  # that of values far out
    scorer = without_far_values(scorer)
    assert scorer.lookback == 4 * scorer.schema.max_gap + scorer.preparation.missing_limit
    silent = replace(scorer, rules=replace(scorer.rules, missing=False))
    assert silent.lookback == 3 * scorer.schema.max_gap + scorer.preparation.missing_limit


@pytest.fixture
def series(learnt):
    """All rows of the training run, with a gap in the runs of the held-out part."""
    found = series_of(learnt.ingested, learnt.prepared)
    back = found.back.copy()
    cut = int(learnt.prepared.windows[Part.CALIBRATE].ends[20])
    stop = cut + int(np.flatnonzero(back[cut + 1 :] == 0)[0]) + 1
    back[cut:stop] = np.arange(stop - cut)
    return replace(found, back=back)


def all_of(series):
    """Request every row."""
    return np.ones(len(series.back), dtype=bool)


def test_centered_scores_compare_with_the_mean_over_all_windows_that_cover(alone, series):
    """One by one: every full window of the run that the row is in."""
    scorer = replace(alone, alignment="centered")
    rows, found = scorer.judge(series, all_of(series))
    length = scorer.length
    full = np.flatnonzero(series.back >= length - 1)
    with torch.inference_mode():
        windows = torch.from_numpy(gather(series.matrix, full, length=length))
        rebuilt = scorer.model(windows).numpy()
    total, count = np.zeros((len(series.back), 2)), np.zeros(len(series.back))
    for end, window in zip(full, rebuilt, strict=True):
        total[end - length + 1 : end + 1] += window
        count[end - length + 1 : end + 1] += 1
    assert rows.tolist() == np.flatnonzero(count).tolist()
    expected = total[rows] / count[rows, None]
    np.testing.assert_allclose(found.expected, expected, rtol=1e-4, atol=1e-5)
    causal_rows, causal = alone.judge(series, all_of(series))
    assert set(causal_rows) < set(rows)
    own = rows[count[rows] == 1]  # a row covered by a single window is scored by that one
    shared = np.intersect1d(own, causal_rows)
    assert len(shared)
    np.testing.assert_allclose(
        found.score[np.isin(rows, shared)], causal.score[np.isin(causal_rows, shared)], rtol=1e-4
    )


@pytest.mark.parametrize(
    ("alignment", "smooth", "before", "after"),
    [("causal", 5, 4, 0), ("centered", 5, 2, 2), ("centered", 4, 2, 1)],
)
def test_smoothed_scores_are_means_within_a_run(alone, series, alignment, smooth, before, after):
    """Of scores and of parts, over rows with a score, one by one."""
    plain = replace(alone, alignment=alignment)
    valid = series.valid.copy()
    valid[::9] = False
    series = replace(series, valid=valid)
    rows, single = plain.judge(series, all_of(series))
    found_rows, found = replace(plain, smooth=smooth).judge(series, all_of(series))
    assert found_rows.tolist() == rows.tolist()
    run = np.cumsum(series.back == 0)
    for place, row in enumerate(rows):
        near = (rows >= row - before) & (rows <= row + after) & (run[rows] == run[row])
        assert found.score[place] == pytest.approx(single.score[near].mean(), rel=1e-4)
        np.testing.assert_allclose(found.errors[place], single.errors[near].mean(axis=0), rtol=1e-4)
    np.testing.assert_array_equal(found.expected, single.expected)


def test_a_row_is_judged_alike_among_others(detector, series):
    """Bitwise, for any requested rows, in every alignment and with every smoothing."""
    scores = sorted(set(PARTS) - {"ensemble"})  # see test_ensemble.py
    for alignment, smooth, score in product(("causal", "centered"), (1, 4), scores):
        residuals = learn_residuals(
            score,
            series.matrix - 1,
            series.observed,
            series.entity,
            entities=2,
            owner=detector.scorer.preparation.owner,
        )
        scorer = replace(
            detector.scorer, alignment=alignment, smooth=smooth, score=score, residuals=residuals
        )
        rows, whole = scorer.judge(series, all_of(series))
        some = np.zeros(len(series.back), dtype=bool)
        some[rows[5::97]] = True
        chosen, part = scorer.judge(series, some)
        assert part.score.tobytes() == whole.score[np.isin(rows, chosen)].tobytes()
        assert part.errors.tobytes() == whole.errors[np.isin(rows, chosen)].tobytes()


@pytest.mark.parametrize(
    ("alignment", "smooth", "behind", "ahead"),
    [("causal", 1, 3, 0), ("causal", 5, 7, 0), ("centered", 1, 3, 3), ("centered", 4, 5, 4)],
)
def test_what_a_score_depends_on_grows_with_alignment_and_smoothing(
    alone, alignment, smooth, behind, ahead
):
    """By the largest gap for each row of the window and of the mean."""
    scorer = without_far_values(replace(alone, alignment=alignment, smooth=smooth))
    gap = scorer.schema.max_gap
    silent = replace(scorer, rules=replace(scorer.rules, missing=False))
    assert silent.lookback == behind * gap + scorer.preparation.missing_limit
    assert scorer.lookback == silent.lookback + gap
    assert scorer.lookahead == ahead * gap


def test_the_threshold_is_calibrated_on_what_scoring_gives(make_frame, train_on):
    """With the same smoothing and alignment: held-out rows alone give the held-out scores."""
    calibration = {"score": "mse", "alignment": "centered", "smooth": 3}
    learnt = train_on(make_frame(rows=300), calibration=calibration)
    scorer, windows = learnt.detector.scorer, learnt.prepared.windows[Part.CALIBRATE]
    series = series_of(learnt.ingested, learnt.prepared)
    inside = np.zeros(len(series.back), dtype=bool)
    for end in windows.ends:
        inside[end - scorer.length + 1 : end + 1] = True
    scores = scorer.judge(series, inside)[1].score
    later = np.isin(np.flatnonzero(inside), windows.ends)
    np.testing.assert_array_equal(learnt.detector.calibration.scores, np.sort(scores[later]))
