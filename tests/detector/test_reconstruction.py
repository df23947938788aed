"""The expected values of rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aedetect.detector.reconstruction import CHUNK, covering, last_rows, product
from aedetect.models.settings import ModelSettings
from aedetect.preprocessing.windows import gather
from aedetect.training.fit import build_network

LENGTH = 4
ROWS = CHUNK + 40


@pytest.fixture(scope="module", params=["dense", "convolutional"])
def model(request):
    """An untrained network for windows of four rows of three features."""
    settings = ModelSettings(backbone=request.param, latent=3)
    return build_network(settings, length=LENGTH, inputs=3, outputs=3, seed=0).eval()


@pytest.fixture(scope="module")
def matrix():
    """Rows to reconstruct, including outliers."""
    values = np.random.default_rng(0).normal(size=(ROWS, 3))
    values[::50] *= 1e6
    return values.astype(np.float32)


def test_covering_is_the_mean_of_all_windows_that_cover(model, matrix):
    """Compared with a loop over windows, also if windows are missing."""
    ends = np.array([3, 4, 5, 9, 10, 300, 301])
    rows = np.array([0, 3, 5, 8, 10, 299, 301, 302])
    found, covered = covering(model, matrix, rows, ends)
    with torch.inference_mode():
        rebuilt = model(torch.from_numpy(gather(matrix, ends, length=LENGTH))).numpy()
    for place, row in enumerate(rows):
        own = [
            rebuilt[k, row - (end - LENGTH + 1)]
            for k, end in enumerate(ends)
            if end - LENGTH < row <= end
        ]
        assert covered[place] == bool(own)
        if own:
            np.testing.assert_allclose(found[place], np.mean(own, axis=0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("first", [0, 1, 17, CHUNK - 2])
def test_covering_does_not_depend_on_where_chunks_end(model, matrix, first):
    """Bitwise, wherever the first window is."""
    ends = np.arange(LENGTH - 1, ROWS)
    whole = covering(model, matrix, np.arange(ROWS), ends)[0]
    rows = np.arange(first + LENGTH - 1, ROWS)
    part = covering(model, matrix, rows, ends[first:])[0]
    assert part.tobytes() == whole[rows].tobytes()


def test_the_last_rows_are_those_of_the_reconstruction(model, matrix):
    """The network's output for the window, and bitwise the same for a single one."""
    ends = np.resize(np.arange(LENGTH - 1, 50), CHUNK + 1)
    found = last_rows(model, matrix, ends)
    with torch.inference_mode():
        rebuilt = model(torch.from_numpy(gather(matrix, ends, length=LENGTH)))[:, -1].numpy()
    np.testing.assert_allclose(found, rebuilt, rtol=1e-3, atol=1e-3)
    assert found[-1:].tobytes() == last_rows(model, matrix, ends[-1:]).tobytes()


def test_windows_that_do_not_follow_each_other_are_those_of_their_rows(model, matrix):
    """Within a chunk, and from one to the next; in any order."""
    every = last_rows(model, matrix, np.arange(LENGTH - 1, ROWS))
    for ends in (
        np.arange(LENGTH - 1, ROWS)[::3],
        np.concatenate([np.arange(10, CHUNK - 20), np.arange(CHUNK, ROWS)]),
        np.array([20, 30, 22]),
    ):
        assert last_rows(model, matrix, ends).tobytes() == every[ends - (LENGTH - 1)].tobytes()


def test_a_product_is_that_of_each_row():
    """Bitwise the same alone and among others."""
    random = np.random.default_rng(0)
    values = random.normal(size=(CHUNK + 5, 7)).astype(np.float32)
    weights = random.normal(size=(7, 7)).astype(np.float32)
    found = product(values, weights)
    np.testing.assert_allclose(found, values @ weights, rtol=1e-4, atol=1e-5)
    for row in (0, 3, CHUNK, CHUNK + 4):
        assert product(values[row : row + 1], weights).tobytes() == found[row].tobytes()
