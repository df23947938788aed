"""Trimmed training: excluding the rows with the largest error."""

from __future__ import annotations

import numpy as np
import pytest

from aedetect.errors import ConfigError, TooFewRows
from aedetect.preprocessing import Part, Windows
from aedetect.training.trimming import drop_windows, row_errors, rows_to_trim

BURST = 20.0 * np.array([1, -1, -1, 1, 1, 1, -1, 1, -1, -1])
BAD = slice(100, 110)  # rows of "east", which learns from its first 360


@pytest.fixture(params=["linear", "undercomplete"])
def variant(request):
    """In closed form, and by gradient."""
    return request.param


def contaminated(make_frame):
    """Ten rows of one unit in which a sensor reads far too much."""
    frame = make_frame()
    frame.loc[BAD.start : BAD.stop - 1, "b"] += BURST
    return frame


def weights(run):
    """All parameters as one array."""
    parameters = run.trained.scorer.model.parameters()
    return np.concatenate([each.detach().numpy().ravel() for each in parameters])


def test_injected_contamination_is_trimmed_and_reported(make_frame, train_on, variant):
    """By entity, time, part and the altered column."""
    run = train_on(
        contaminated(make_frame),
        model={"variant": variant},
        training={"trim": 0.02, "epochs": 10},
    )
    largest = run.trained.suspect[0]
    assert (largest.entity, largest.part) == ("east", "learn")
    assert "2026-01-01 01:37" <= largest.start <= "2026-01-01 01:40:00"
    assert "2026-01-01 01:49" <= largest.end <= "2026-01-01 01:52:00"
    assert next(iter(largest.causes)) == "b"
    assert largest.strangeness > 1


def test_trimmed_rows_are_not_used_for_training(make_frame, train_on):
    """The solution is that of the windows without those rows, with a smaller error on the rest."""
    frame = contaminated(make_frame)
    plain = train_on(frame, model={"variant": "linear"})
    learn = plain.prepared.windows[Part.LEARN]
    aside = np.zeros(len(learn.matrix), dtype=bool)
    aside[BAD] = True
    left = drop_windows(learn, aside)
    trimmed = train_on(frame, model={"variant": "linear"}, training={"trim": 0.02})
    errors = [
        np.nanmean(row_errors(run.trained.scorer.model, [left], rows=len(aside)))
        for run in (plain, trimmed)
    ]
    assert errors[1] < errors[0]


def test_no_trim_changes_nothing(learnt, learn, training_folder, tmp_path):
    """Not a byte of the detector, and nothing is reported."""
    run = learn(training_folder, training={"epochs": 3, "batch_size": 64, "trim": 0.0})
    assert run.trained.suspect == ()
    for name, each in (("default", learnt), ("none", run)):
        each.detector.save(tmp_path / name)
    for path in (tmp_path / "default").iterdir():
        assert path.read_bytes() == (tmp_path / "none" / path.name).read_bytes()


def test_the_same_seed_trims_the_same_rows(make_frame, train_on):
    """Byte for byte the same weights, too."""
    first, second = (train_on(contaminated(make_frame), training={"trim": 0.02}) for _ in range(2))
    assert first.trained.suspect == second.trained.suspect
    np.testing.assert_array_equal(weights(first), weights(second))


def test_calibration_rows_are_reported_and_kept(make_frame, train_on):
    """All of them count in the threshold; the table reports their part."""
    frame = make_frame()
    frame.loc[450:459, "a"] += BURST  # "east" calibrates with its last 100 rows
    plain = train_on(frame, model={"variant": "linear"})
    run = train_on(frame, model={"variant": "linear"}, training={"trim": 0.01})
    largest = run.trained.suspect[0]
    assert largest.part == "calibrate"
    assert "2026-01-01 07:27" <= largest.start <= "2026-01-01 07:30:00"
    assert next(iter(largest.causes)) == "a"
    kept = [len(each.detector.calibration.scores) for each in (plain, run)]
    assert kept[0] == kept[1]


def test_half_of_the_rows_cannot_be_trimmed(configured, tmp_path):
    """The rest would not be a majority."""
    with pytest.raises(ConfigError, match=r"\[training\] trim: .*less than 0\.5"):
        configured(tmp_path, training={"trim": 0.5})


def test_a_share_that_leaves_no_window_is_refused(make_frame, train_on):
    """The message names the setting to lower."""
    with pytest.raises(TooFewRows, match=r"trim = 0\.45 leaves none of .*: lower trim"):
        train_on(
            make_frame(rows=400),
            model={"variant": "linear"},
            window={"length": 20},
            training={"trim": 0.45},
        )


def test_validation_rows_are_not_trimmed_beyond_the_share():
    """Not even when all of them have larger errors than the training rows."""
    error = np.concatenate([np.linspace(0, 1, 100), np.linspace(5, 6, 50)])
    part = np.repeat([Part.LEARN, Part.VALIDATE], [100, 50]).astype(np.int8)
    cut, largest = rows_to_trim(error, part, share=0.1)
    assert (largest[:100].sum(), largest[100:].sum()) == (10, 5)
    assert cut == error[89]


def test_windows_with_a_trimmed_row_are_dropped():
    """Those that contain it, and no others."""
    windows = Windows(np.zeros((9, 1), np.float32), np.ones((9, 1), bool), np.arange(2, 9), 3)
    aside = np.arange(9) == 4
    assert drop_windows(windows, aside).ends.tolist() == [2, 3, 7, 8]


def test_unobserved_cells_make_no_row_suspect(learnt):
    """However far their values are from the expected ones."""
    windows = learnt.prepared.windows[Part.LEARN]
    matrix, observed = np.array(windows.matrix), np.array(windows.observed)
    model = learnt.trained.scorer.model
    matrix[50, 1], observed[50, 1] = 9.0, False
    hidden = Windows(matrix, observed, windows.ends, windows.length)
    seen = Windows(matrix, np.array(windows.observed), windows.ends, windows.length)
    unseen, counted = (row_errors(model, [each], rows=len(matrix))[50] for each in (hidden, seen))
    assert unseen < counted / 2
