"""Scorer and detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from aedetect.detector import CHUNK, residual_sizes


@pytest.fixture
def held_out(learnt):
    """The windows that the network never saw, and the entity of each row."""
    from aedetect.prepare import entity_codes
    from aedetect.split import Part

    windows = learnt.prepared.windows[Part.CALIBRATE]
    return windows, entity_codes(learnt.prepared.preparation, learnt.ingested.rows)


def evaluate(scorer, held_out):
    """Scores of the held-out windows."""
    windows, entity = held_out
    return scorer.evaluate(windows.matrix, windows.observed, entity, windows.ends)


def test_expected_is_the_last_step_of_the_reconstruction(detector, held_out):
    """What the network makes of the window, whatever the size of the chunks."""
    windows = held_out[0]
    values = torch.from_numpy(windows.take(slice(None))[0])
    with torch.inference_mode():
        rebuilt = detector.scorer.model(values)[:, -1].numpy()
    found = detector.scorer.reconstruct(windows.matrix, windows.ends)
    np.testing.assert_allclose(found, rebuilt, rtol=1e-4, atol=1e-5)


def test_no_window_is_left_out_at_the_end_of_a_chunk(detector, held_out):
    """One more than a chunk holds, and one alone: bitwise the same score."""
    windows = held_out[0]
    ends = np.resize(windows.ends, CHUNK + 1)
    found = detector.scorer.reconstruct(windows.matrix, ends)
    alone = detector.scorer.reconstruct(windows.matrix, ends[-1:])
    assert np.isfinite(found).all()
    assert found[-1:].tobytes() == alone.tobytes()


def test_the_score_is_the_mean_of_the_features_errors(detector, held_out):
    """Squared residuals, over what was observed."""
    windows = held_out[0]
    scorer = replace(detector.scorer, score="mse")
    evaluated = evaluate(scorer, held_out)
    residual = windows.matrix[windows.ends] - evaluated.expected
    np.testing.assert_allclose(evaluated.errors, residual**2, rtol=1e-5)
    np.testing.assert_allclose(evaluated.score, (residual**2).mean(axis=1), rtol=1e-5)


def test_standardized_errors_are_in_residual_sizes_of_the_entity(detector, held_out):
    """A feature that is rebuilt badly anyhow counts less."""
    windows, entity = held_out
    sizes = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    plain = replace(detector.scorer, score="mse")
    scaled = replace(detector.scorer, score="standardized", residual=sizes)
    expected = evaluate(plain, held_out).errors / sizes[entity[windows.ends]] ** 2
    np.testing.assert_allclose(evaluate(scaled, held_out).errors, expected, rtol=1e-5)


def test_a_score_is_higher_the_stranger_the_row(detector, held_out):
    """Said once, and here it is seen."""
    windows, entity = held_out
    means = []
    for shift in (0, 1, 3, 9):
        matrix = windows.matrix + np.float32(shift) * np.array([1, -1], dtype=np.float32)
        moved = replace(windows, matrix=np.ascontiguousarray(matrix))
        means.append(evaluate(detector.scorer, (moved, entity)).score.mean())
    assert means == sorted(means)


def test_scoring_takes_as_much_lookback_as_windows_and_carrying_can_reach(detector):
    """Three steps of the largest gap, and the longest that a value is carried."""
    scorer = detector.scorer
    assert scorer.lookback == 3 * scorer.schema.max_gap + scorer.preparation.missing_limit


def test_residual_sizes_are_by_entity_where_there_are_rows_enough():
    """Few rows take the size of all, and what was not observed does not count."""
    entity = np.repeat(np.array([0, 1], dtype=np.int32), [500, 5])
    residual = np.full((505, 1), 3, dtype=np.float32)
    residual[500:] = 1e6
    seen = np.ones((505, 1), dtype=bool)
    seen[500:] = False
    sizes = residual_sizes(residual, seen, entity, entities=2)
    np.testing.assert_allclose(sizes, [[3], [3], [3]], rtol=1e-6)


def test_a_perfect_reconstruction_does_not_divide_by_nothing():
    """The size of a residual has a floor."""
    nothing = np.zeros((200, 1), dtype=np.float32)
    entity = np.zeros(200, dtype=np.int32)
    sizes = residual_sizes(nothing, np.ones((200, 1), dtype=bool), entity, entities=1)
    assert (sizes > 0.01).all()
