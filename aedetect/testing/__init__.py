"""Checks for variants and scores, to test new ones.

Each check is a function with an assertion; its docstring states the checked property. pytest is
not required; with pytest, tests can be parametrized with the lists:

    import pytest
    from aedetect.testing import VARIANT_CHECKS, variant_cases

    @pytest.mark.parametrize("check", VARIANT_CHECKS)
    def test_my_variant(check):
        for case in variant_cases("my_variant"):
            check(case)

`check_variant("my_variant")` and `check_score("my_score")` do that in one call.
"""

from aedetect.testing.cases import VariantCase, variant_cases
from aedetect.testing.scores import SCORE_CHECKS, ScoreCase, check_score, score_case
from aedetect.testing.variants import VARIANT_CHECKS, check_variant

__all__ = [
    "SCORE_CHECKS",
    "VARIANT_CHECKS",
    "ScoreCase",
    "VariantCase",
    "check_score",
    "check_variant",
    "score_case",
    "variant_cases",
]
