"""Every variant and every score passes all checks; the checks detect violations."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice, product

import pytest
import torch

from aedetect import testing
from aedetect.detector.score_functions import PARTS
from aedetect.models import VARIANTS
from aedetect.models.variants import Variant, plain_step
from aedetect.testing import (
    SCORE_CHECKS,
    VARIANT_CHECKS,
    check_score,
    check_variant,
    scores,
    variant_cases,
    variants,
)

CASES = 8  # of a variant


@pytest.fixture(autouse=True)
def one_thread():
    """With small networks, threads mostly wait for each other, especially on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=product(VARIANTS, range(CASES)), ids=lambda each: f"{each[0]}-{each[1]}")
def case(request):
    """A variant on a backbone: settings, an untrained model, and matching windows."""
    variant, number = request.param
    return next(islice(variant_cases(variant), number, None))


@pytest.mark.parametrize("check", VARIANT_CHECKS, ids=lambda check: check.__name__)
def test_every_variant_on_every_backbone(check, case):
    """Every check holds for each, with one or several features, with or without context."""
    check(case)


def test_all_cases_are_tested():
    """Each as a separate test with a descriptive name."""
    names = [each.name for each in variant_cases("denoising")]
    assert len(set(names)) == CASES
    assert "denoising-convolutional-6-5-1" in names


def test_lists_hold_every_check():
    """Every defined check is run."""
    for module, checks in ((variants, VARIANT_CHECKS), (scores, SCORE_CHECKS)):
        written = {name for name in vars(module) if name.startswith("check_")}
        assert written == {check.__name__ for check in checks} | (
            written & {"check_variant", "check_score"}
        )
        assert all(check.__doc__ for check in checks)


def test_a_variant_that_is_added_is_checked_by_name(monkeypatch):
    """No other code needs to be changed."""
    monkeypatch.setitem(VARIANTS, "mine", Variant(step=plain_step))
    check_variant("mine")


def mixes(model, windows, generator):
    """A step whose gradient reaches the decoder only."""
    del generator
    return model.decode(model.encode(windows).detach()), 0.0


def writes(model, windows, generator):
    """A step that changes its input."""
    del generator
    windows += 1
    return model(windows), 0.0


def draws(model, windows, generator):
    """A step that takes noise from the generator of the process."""
    del generator
    return model(windows + torch.randn_like(windows)), 0.0


@pytest.mark.parametrize(
    ("step", "broken"),
    [
        (mixes, "check_gradient_reaches_every_parameter"),
        (writes, "check_leaves_its_input_alone"),
        (draws, "check_training_repeats_itself"),
    ],
)
def test_a_variant_that_breaks_a_promise_is_found(monkeypatch, step, broken):
    """By the check of that property, and by all checks in one call."""
    monkeypatch.setitem(VARIANTS, "mine", Variant(step=step))
    with pytest.raises(AssertionError):
        getattr(variants, broken)(next(variant_cases("mine")))
    with pytest.raises(AssertionError):
        check_variant("mine")


@pytest.mark.parametrize("name", PARTS)
def test_every_score_in_one_call(name):
    """As for a new score."""
    check_score(name)


def negative(residual, seen, entity, residuals, owner):
    """Negative parts."""
    return -PARTS["mse"](residual, seen, entity, residuals, owner)


def blind(residual, seen, entity, residuals, owner):
    """Parts of unobserved features."""
    return PARTS["mse"](residual, seen | True, entity, residuals, owner)


def bounded(residual, seen, entity, residuals, owner):
    """Parts with an upper limit."""
    return PARTS["mse"](residual, seen, entity, residuals, owner).clip(max=1)


def relative(residual, seen, entity, residuals, owner):
    """Parts relative to those of other rows."""
    parts = PARTS["mse"](residual, seen, entity, residuals, owner)
    return parts / max(parts.max(initial=0), 1)


@pytest.mark.parametrize("parts", [negative, blind, bounded, relative])
def test_a_score_that_breaks_a_promise_is_found(monkeypatch, parts):
    """Whichever property it violates."""
    monkeypatch.setitem(PARTS, "mine", parts)
    with pytest.raises(AssertionError):
        check_score("mine")


def test_pytest_is_not_needed():
    """The checks run without pytest."""
    without = "import sys; sys.modules['pytest'] = None"
    code = f"{without}; import aedetect.testing as testing; testing.check_score('tail')"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert set(testing.__all__) >= {"check_variant", "check_score"}
