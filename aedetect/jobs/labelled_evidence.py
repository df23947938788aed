"""What labels say of candidates: how they rank labelled rows of the held-out time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.detector.altered import scores_by_weight
from aedetect.jobs.labelled_rows import read_labelled_rows
from aedetect.output.scratch import temporary_folder
from aedetect.preprocessing import Part

if TYPE_CHECKING:
    from aedetect.arrays import Bool
    from aedetect.config import Config
    from aedetect.detector import Scorer
    from aedetect.jobs.choice import Evidence
    from aedetect.jobs.labelled_rows import LabelledRows
    from aedetect.training import Ingested, PreparedRows

_MOST = 50_000  # rows with a label, and as many without, that are scored


@dataclass(frozen=True)
class LabelledTrial:
    """Labelled rows (R,) of entities that have some, and normal rows; which are scored (R,)."""

    rows: LabelledRows
    asked: Bool
    stretches: int  # runs of labelled rows


@contextmanager
def held_out_labels(
    config: Config, ingested: Ingested, prepared: PreparedRows, *, lookback: int
) -> Iterator[LabelledTrial | None]:
    """Read the labelled rows of the held-out time, and `lookback` ns before; None without any."""
    ends = prepared.windows[Part.CALIBRATE].ends
    with temporary_folder() as folder:
        rows = read_labelled_rows(
            config,
            ingested,
            prepared.preparation,
            entity=ingested.rows.entity[ends],
            time=ingested.rows.time[ends],
            lookback=lookback,
            folder=folder,
        )
        yield None if rows is None else prepare_labelled(rows)


def prepare_labelled(rows: LabelledRows) -> LabelledTrial | None:
    """Choose which rows to score; None when no entity has rows of both kinds."""
    both = _with_both(rows)
    labelled, normal = (_thinned(both & (rows.truth == truth)) for truth in (True, False))
    if not labelled.any():
        return None
    change = np.diff(np.concatenate([[0], (both & rows.truth).astype(np.int8)]))
    owner = np.diff(rows.owner, prepend=rows.owner[:1])
    starts = (change > 0) | ((owner != 0) & rows.truth & both)
    return LabelledTrial(rows, labelled | normal, int(starts.sum()))


def with_labels(found: Sequence[Evidence], scorer: Scorer, trial: LabelledTrial) -> list[Evidence]:
    """Add to the evidence of one scorer, a weight each, how it ranks the labelled rows."""
    from sklearn.metrics import average_precision_score

    ends, judged = scorer.judge(trial.rows.series, trial.asked)
    truth, owner = trial.rows.truth[ends], trial.rows.owner[ends]
    _owners, first = np.unique(owner, return_index=True)
    parts = [slice(*pair) for pair in zip(first, [*first[1:], len(owner)], strict=True)]
    parts = [own for own in parts if truth[own].any() and not truth[own].all()]
    if not parts:
        return list(found)
    scores = scores_by_weight(judged, [each.shapes for each in found])
    return [
        replace(
            each,
            labelled=float(
                np.mean([average_precision_score(truth[own], score[own]) for own in parts])
            ),
            stretches=trial.stretches,
        )
        for each, score in zip(found, scores, strict=True)
    ]


def _with_both(rows: LabelledRows) -> Bool:
    """Whether a row lies in the held-out time of an entity with labelled and normal rows: (R,)."""
    count = int(rows.owner.max(initial=-1)) + 1
    kinds = []
    for truth in (True, False):
        own = rows.owner[rows.held_out & (rows.truth == truth) & (rows.owner >= 0)]
        kinds.append(np.bincount(own, minlength=count) > 0)
    known = np.append(kinds[0] & kinds[1], False)  # the last: rows of no known entity
    return np.asarray(rows.held_out & known[rows.owner])


def _thinned(chosen: Bool) -> Bool:
    """Return at most _MOST of the chosen rows, evenly spread."""
    rows = np.flatnonzero(chosen)
    kept = np.zeros(len(chosen), dtype=np.bool_)
    kept[rows[:: max(1, -(-len(rows) // _MOST))]] = True
    return kept
