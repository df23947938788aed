"""Checks of the properties of every score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from aedetect.arrays import Bool, Float32, Int32, Int64
from aedetect.calibration.settings import ScoreName
from aedetect.detector.reconstruction import CHUNK
from aedetect.detector.residuals import Residuals
from aedetect.detector.score_functions import PARTS, combined, learn_residuals

_OWNER = np.array([0, 1, 1, 2, 3])  # the second of four features is a category of two columns
_FIRST = np.array([0, 1, 3, 4])  # column of each feature
_COLUMNS, _FEATURES, _ENTITIES = 5, 4, 2
_WORST = 2
_HISTORY = 6_000  # rows


@dataclass(frozen=True)
class ResidualRows:
    """Residuals of rows: residual (N, D), seen (N, D) whether observed, entity (N,)."""

    residual: Float32
    seen: Bool
    entity: Int32

    def take(self, rows: Int64) -> ResidualRows:
        """Return some of the rows."""
        return ResidualRows(self.residual[rows], self.seen[rows], self.entity[rows])


@dataclass(frozen=True)
class ScoreCase:
    """A score, fitted on residuals of two entities, and residuals to score.

    The entities' residuals are correlated, and of different size; some are not observed. There are
    more rows to score than are computed at a time.
    """

    name: ScoreName
    history: ResidualRows
    fitted: Residuals
    fresh: ResidualRows
    owner: Int64  # (D,) feature of each column
    top_k: int  # parts that the score "top_k" averages

    def score(self, rows: ResidualRows) -> tuple[Float32, Float32]:
        """Return each feature's part, and the score: (N, F), (N,)."""
        residual = rows.residual.copy()  # a score may write to it
        parts = PARTS[self.name](residual, rows.seen, rows.entity, self.fitted, self.owner)
        counted = rows.seen[:, _FIRST].sum(axis=1)
        return parts, combined(self.name, parts, counted, top_k=self.top_k)


def score_case(name: str) -> ScoreCase:
    """Make a case for a score.

    Args:
        name: A name in `aedetect.detector.score_functions.PARTS`.
    """
    score = cast("ScoreName", name)
    history = _history()
    fitted = learn_residuals(
        score,
        history.residual,
        history.seen,
        history.entity,
        entities=_ENTITIES,
        owner=_OWNER,
    )
    return ScoreCase(score, history, fitted, _fresh(), _OWNER, _WORST)


def _history() -> ResidualRows:
    random = np.random.default_rng(0)
    mixing = random.normal(size=(_COLUMNS, _COLUMNS))
    residual = (random.normal(size=(_HISTORY, _COLUMNS)) @ mixing).astype(np.float32)
    entity = np.repeat(np.array([0, 1], dtype=np.int32), _HISTORY // 2)
    residual[entity == 1] *= 3
    return ResidualRows(residual, _seen(random, _HISTORY, missing=0.1), entity)


def _fresh() -> ResidualRows:
    random = np.random.default_rng(1)
    count = CHUNK + 100
    residual = random.normal(scale=3, size=(count, _COLUMNS)).astype(np.float32)
    entity = (np.arange(count) % _ENTITIES).astype(np.int32)
    return ResidualRows(residual, _seen(random, count, missing=0.2), entity)


def _seen(random: np.random.Generator, rows: int, *, missing: float) -> Bool:
    """Draw which features are observed, all columns of a category alike: (N, D)."""
    seen: Bool = (random.random((rows, _FEATURES)) > missing)[:, _OWNER]
    return seen


def check_parts_are_never_negative(case: ScoreCase) -> None:
    """Parts are never negative, so that the shares of causes add up; in single precision."""
    parts, scores = case.score(case.fresh)
    assert (parts >= 0).all()
    assert (scores >= 0).all()
    assert parts.dtype == scores.dtype == np.float32


def check_what_was_not_observed_does_not_count(case: ScoreCase) -> None:
    """Values of unobserved cells have no effect, and their part is 0."""
    fresh = case.fresh
    other = np.where(fresh.seen, fresh.residual, np.float32(1e6))
    parts, scores = case.score(fresh)
    parts_other, scores_other = case.score(ResidualRows(other, fresh.seen, fresh.entity))
    assert parts_other.tobytes() == parts.tobytes()
    assert scores_other.tobytes() == scores.tobytes()
    assert not parts[~fresh.seen[:, _FIRST]].any()


def check_grows_with_the_residual_without_limit(case: ScoreCase) -> None:
    """Far beyond the largest of the fitted residuals, and for each feature alone."""
    largest = np.abs(case.history.residual).max()
    sizes = np.append(np.linspace(0, 100, 60), [1e3, 1e6]) * largest
    for column in range(_COLUMNS):
        residual = np.zeros((len(sizes), _COLUMNS), dtype=np.float32)
        residual[:, column] = sizes
        seen = np.ones(residual.shape, dtype=np.bool_)
        rows = ResidualRows(residual, seen, np.ones(len(sizes), dtype=np.int32))
        scores = case.score(rows)[1]
        assert (np.diff(scores) > 0).all()
        assert scores[-1] > 900 * scores[-2]


def check_does_not_depend_on_the_rows_beside_it(case: ScoreCase) -> None:
    """A row's score is the same to the bit, in any order and number of rows."""
    parts, scores = case.score(case.fresh)
    some = (
        np.array([5]),
        np.arange(CHUNK + 100)[::-1],
        np.arange(3, CHUNK + 4),
        np.arange(37),
    )
    for chosen in some:
        few_parts, few = case.score(case.fresh.take(chosen))
        assert few.tobytes() == scores[chosen].tobytes()
        assert few_parts.tobytes() == parts[chosen].tobytes()


def check_no_rows_have_no_scores(case: ScoreCase) -> None:
    """An empty batch is accepted."""
    parts, scores = case.score(case.fresh.take(np.arange(0)))
    assert parts.shape == (0, _FEATURES)
    assert scores.shape == (0,)


SCORE_CHECKS: tuple[Callable[[ScoreCase], None], ...] = (
    check_parts_are_never_negative,
    check_what_was_not_observed_does_not_count,
    check_grows_with_the_residual_without_limit,
    check_does_not_depend_on_the_rows_beside_it,
    check_no_rows_have_no_scores,
)


def check_score(name: str) -> None:
    """Run all checks on a score; takes less than a second.

    Args:
        name: A name in `aedetect.detector.score_functions.PARTS`.

    Raises:
        AssertionError: A check fails; the traceback names it.
    """
    case = score_case(name)
    for check in SCORE_CHECKS:
        check(case)
