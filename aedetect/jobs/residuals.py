"""What is typical of residuals, from the rows that calibration does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.detector import Scorer, Series
from aedetect.detector.corrections import Corrections
from aedetect.detector.ensemble_units import blocks_of, contiguous, find_switches, learn_typical
from aedetect.detector.residuals import Residuals
from aedetect.detector.score_functions import learn_residuals
from aedetect.detector.shapes import ShapeBank, Shapes
from aedetect.preprocessing import Part, Windows
from aedetect.training.shapes import fit_shapes

if TYPE_CHECKING:
    from aedetect.arrays import Float32, Int64
    from aedetect.data import Rows

_WINDOWS = 200_000  # of each part at most
_SHARED = 2  # entities that a network is shared by: there is nothing to correct of one alone
_CELLS = 20_000_000  # of each part at most: fewer windows of many columns


def learn_statistics(
    scorer: Scorer,
    rows: Rows,
    series: Series,
    windows: Mapping[Part, Windows],
    *,
    stride: int,
    weight: float = 0.0,
) -> Scorer:
    """Add what the score needs to know of normal rows, from the learning and validation rows.

    The weight is that of typical shapes; with 0 there are none.

    On the learning rows residuals are somewhat too small, but equally for all columns; only the
    ratios between columns matter. Not from the calibration rows: a threshold is chosen on those.
    """
    learnt = _residual_rows(scorer, windows)
    if scorer.score != "ensemble":
        expected = scorer.expect(series, learnt)
        return replace(scorer, residuals=_residuals(scorer, series, learnt, expected))
    chosen = _ensemble_rows(scorer, series, windows, stride)
    every = np.union1d(learnt, chosen)  # what is expected of both is computed once
    expected = scorer.expect(series, every)
    known = _residuals(scorer, series, learnt, expected[np.searchsorted(every, learnt)])
    scorer = _with_switches(replace(scorer, residuals=known), rows, chosen)
    if scorer.combines and weight and scorer.shapes is None:
        banks = _learn_shapes(scorer, series, windows[Part.LEARN])
        scorer = replace(scorer, shapes=Shapes(weight, banks) if any(banks) else None)
    _, errors = scorer.observe(series, chosen, expected[np.searchsorted(every, chosen)])
    entities = len(scorer.preparation.entities)
    typical = learn_typical(errors, series.entity[chosen], entities=entities)
    return replace(scorer, residuals=replace(scorer.residuals, typical=typical))


def learn_corrections(scorer: Scorer, series: Series, learn: Windows) -> Corrections:
    """Learn what is expected wrongly of each entity, from the windows that were learnt from."""
    entities, columns = len(scorer.preparation.entities), scorer.model.sizes.outputs
    if entities < _SHARED:
        return Corrections.none(entities=entities, columns=columns)
    rows = learn.thin(_most_windows(scorer)).ends
    expected = scorer.expect(series, rows)
    return Corrections.fit(
        expected,
        series.matrix[rows, :columns],
        series.observed[rows],
        series.entity[rows],
        entities=entities,
    )


def _residual_rows(scorer: Scorer, windows: Mapping[Part, Windows]) -> Int64:
    """Return the rows that typical residuals are estimated from: (N,) ascending."""
    most = _most_windows(scorer) // (scorer.length if scorer.lookahead else 1)
    ends = [windows[part].thin(most).ends for part in (Part.LEARN, Part.VALIDATE)]
    return np.sort(np.concatenate(ends))


def _residuals(scorer: Scorer, series: Series, rows: Int64, expected: Float32) -> Residuals:
    """Estimate typical residuals from what is expected of rows: (N,), (N, D)."""
    return learn_residuals(
        scorer.score,
        series.matrix[rows, : expected.shape[1]] - expected,
        series.observed[rows],
        series.entity[rows],
        entities=len(scorer.preparation.entities),
        owner=scorer.preparation.owner,
    )


def _ensemble_rows(
    scorer: Scorer, series: Series, windows: Mapping[Part, Windows], stride: int
) -> Int64:
    """Return the rows that the units of the members are learnt from, in blocks: (M,) ascending."""
    entities, most = len(scorer.preparation.entities), _most_windows(scorer)
    learn = windows[Part.LEARN].ends
    between = contiguous(learn, series.back, length=scorer.length, stride=stride)
    ends = (between, windows[Part.VALIDATE].ends)
    return np.sort(np.concatenate([blocks_of(e, most=most, entities=entities) for e in ends]))


def _with_switches(scorer: Scorer, rows: Rows, chosen: Int64) -> Scorer:
    """Add which features are switches in some rows."""
    switches = find_switches(scorer.schema.features, np.asarray(rows.values[chosen]))
    learnt = replace(scorer.residuals, switches=switches.astype(np.float32))
    return replace(scorer, residuals=learnt)


def _learn_shapes(scorer: Scorer, series: Series, learn: Windows) -> tuple[ShapeBank | None, ...]:
    """Learn typical shapes of the network's windows and of the long ones."""
    switches = scorer.residuals.switches > 0
    used = np.zeros(learn.matrix.shape[1], dtype=np.bool_)
    used[: len(scorer.preparation.owner)] = ~switches[scorer.preparation.owner]
    lengths = [scorer.length, 0 if scorer.long is None else scorer.long.sizes.length]
    found = [fit_shapes(learn, series.back, length=length, used=used) for length in lengths]
    return tuple(None if each is None else ShapeBank(*each) for each in found)


def _most_windows(scorer: Scorer) -> int:
    """Return how many windows of a part are looked at: less of many columns, to bound memory."""
    return min(_WINDOWS, max(_CELLS // scorer.model.sizes.outputs, 1_000))
