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
from aedetect.preprocessing import Part, Windows

if TYPE_CHECKING:
    from aedetect.data import Rows

_WINDOWS = 200_000  # of each part at most
_SHARED = 2  # entities that a network is shared by: there is nothing to correct of one alone
_CELLS = 20_000_000  # of each part at most: fewer windows of many columns


def learn_statistics(
    scorer: Scorer, rows: Rows, series: Series, windows: Mapping[Part, Windows], *, stride: int
) -> Residuals:
    """Learn what the score needs to know of residuals, from the learning and validation rows.

    On the learning rows residuals are somewhat too small, but equally for all columns; only the
    ratios between columns matter. Not from the calibration rows: a threshold is chosen on those.
    """
    residuals = _estimate_residuals(scorer, series, windows)
    if scorer.score != "ensemble":
        return residuals
    return _learn_ensemble(replace(scorer, residuals=residuals), rows, series, windows, stride)


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


def _estimate_residuals(
    scorer: Scorer, series: Series, windows: Mapping[Part, Windows]
) -> Residuals:
    """Estimate typical residuals."""
    most = _most_windows(scorer) // (scorer.length if scorer.lookahead else 1)
    ends = np.concatenate([windows[part].thin(most).ends for part in (Part.LEARN, Part.VALIDATE)])
    rows = np.sort(ends)
    expected = scorer.expect(series, rows)
    return learn_residuals(
        scorer.score,
        series.matrix[rows, : expected.shape[1]] - expected,
        series.observed[rows],
        series.entity[rows],
        entities=len(scorer.preparation.entities),
        owner=scorer.preparation.owner,
    )


def _learn_ensemble(
    scorer: Scorer, rows: Rows, series: Series, windows: Mapping[Part, Windows], stride: int
) -> Residuals:
    """Add what is typical of the members of an ensemble."""
    entities, most = len(scorer.preparation.entities), _most_windows(scorer)
    ends = {
        Part.LEARN: contiguous(
            windows[Part.LEARN].ends, series.back, length=scorer.length, stride=stride
        ),
        Part.VALIDATE: windows[Part.VALIDATE].ends,
    }
    blocks = [blocks_of(each, most=most, entities=entities) for each in ends.values()]
    chosen = np.sort(np.concatenate(blocks))
    switches = find_switches(scorer.schema.features, np.asarray(rows.values[chosen]))
    learnt = replace(scorer.residuals, switches=switches.astype(np.float32))
    _, errors = replace(scorer, residuals=learnt).observe(series, chosen)
    typical = learn_typical(errors, series.entity[chosen], entities=entities)
    return replace(learnt, typical=typical)


def _most_windows(scorer: Scorer) -> int:
    """Return how many windows of a part are looked at: less of many columns, to bound memory."""
    return min(_WINDOWS, max(_CELLS // scorer.model.sizes.outputs, 1_000))
