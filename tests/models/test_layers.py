"""The output of a row is the same to the last bit at every position in a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aedetect.detector.reconstruction import CHUNK, product
from aedetect.models import layers
from aedetect.models.layers import RowwiseLinear, linear, narrow

WIDE = torch.backends.mkldnn.is_available()
WIDTHS = [(inputs, outputs) for inputs in (5, 9, 25, 30, 128) for outputs in range(1, 17)]


@pytest.fixture(autouse=True)
def one_thread():
    """As in scoring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def turned(compute, rows, by):
    """Compute with the rows in another order, and bring the results back."""
    return compute(rows.roll(by, 0)).roll(-by, 0)


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.skipif(not WIDE, reason=""))])
def by_onednn(request, monkeypatch):
    """Multiply by the library of processors with wide vectors, or by that of the others."""
    monkeypatch.setattr(layers, "_has_wide_vectors", lambda: request.param)


@pytest.mark.usefixtures("by_onednn")
@pytest.mark.parametrize(("inputs", "outputs"), [*WIDTHS, (640, 20), (1_600, 100), (333, 33)])
def test_output_does_not_depend_on_the_position_in_the_batch(inputs, outputs):
    """Both for the weights of a layer and for the transposed ones of the linear variant."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(CHUNK, inputs, generator=generator)
    weight = torch.randn(outputs, inputs, generator=generator)
    bias = torch.randn(outputs, generator=generator)
    basis = weight.T.contiguous()
    for compute in (
        lambda values: linear(values, weight, bias),
        lambda values: linear(values, basis.T),
        lambda values: narrow(values, weight, bias),
    ):
        with torch.inference_mode():
            straight = compute(rows)
            assert all(torch.equal(turned(compute, rows, by), straight) for by in (1, 17, 250))
            torch.testing.assert_close(
                compute(rows) - compute(rows * 0), rows @ weight.T, rtol=1e-4, atol=1e-3
            )


def test_narrow_products_equal_those_of_torch():
    """The padded outputs have no effect."""
    generator = torch.Generator().manual_seed(0)
    rows, layer = torch.randn(40, 7, generator=generator), RowwiseLinear(7, 3)
    expected = torch.nn.functional.linear(rows, layer.weight, layer.bias)
    torch.testing.assert_close(layer(rows), expected)
    assert layer(rows).shape == (40, 3)
    assert layer(rows).is_contiguous()
    assert set(layer.state_dict()) == {"weight", "bias"}


@pytest.mark.usefixtures("by_onednn")
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 1, 1), (7, 30, 3), (256, 320, 128)])
def test_gradients_are_those_of_torch(rows, inputs, outputs):
    """Of the product, and of a penalty on its gradient, which needs their gradients in turn."""
    generator = torch.Generator().manual_seed(0)
    given = [
        torch.randn(shape, generator=generator, requires_grad=True)
        for shape in ((rows, inputs), (outputs, inputs), (outputs,))
    ]

    def gradients(compute, parts):
        bent = compute(*parts).tanh()
        (slope,) = torch.autograd.grad(bent.sum(), parts[0], create_graph=True)
        return torch.autograd.grad(bent.square().mean() + slope.square().mean(), parts)

    exact = gradients(torch.nn.functional.linear, [each.double() for each in given])
    for found, expected in zip(gradients(linear, given), exact, strict=True):
        torch.testing.assert_close(found, expected.float(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("columns", [2, 5, 9, 13])
def test_whitening_does_not_depend_on_neighbours(columns):
    """The product that `score = "mahalanobis"` takes."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((CHUNK, columns)).astype(np.float32)
    weights = random.standard_normal((columns, columns)).astype(np.float32)
    straight = product(rows, weights)
    np.testing.assert_allclose(straight, rows @ weights, rtol=1e-4, atol=1e-5)
    for by in (1, 17, 250):
        np.testing.assert_array_equal(
            np.roll(product(np.roll(rows, by, 0), weights), -by, 0), straight
        )
