"""Both versions judge the same rows, and anomalies injected in them: the checks of the gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration import HeldOut
from aedetect.calibration.forecast import Timing
from aedetect.errors import NoData
from aedetect.evaluation import known_anomalies
from aedetect.evaluation.common_rows import CommonRows, Verdicts
from aedetect.evaluation.explained import explained_checks
from aedetect.evaluation.gate import Check, measure
from aedetect.evaluation.ground_truth import inside_known
from aedetect.evaluation.learnt import LearntRows, learnt_checks
from aedetect.events import EventRules, read_labels
from aedetect.jobs import gate_rows
from aedetect.jobs.hidden_cells import hide_cells

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.config import Config
    from aedetect.data import Rows, Source
    from aedetect.detector import CalibratedScorer
    from aedetect.jobs.gate_rows import Judged

_Judged = Mapping[str, "Judged"]  # of the challenger and of the champion


def compare_on_rows(
    config: Config,
    detectors: Mapping[str, CalibratedScorer],
    rows: Mapping[str, Rows],
    files: Source,
    *,
    since: int,
    learnt: LearntRows | None,
) -> tuple[Check, ...]:
    """Return the checks of a "challenger" against a "champion", on rows that neither learnt.

    `rows` are those of each by its own schema; `learnt`, what the challenger learnt, where that is
    known.
    """
    shared, schema = rows["challenger"], detectors["challenger"].scorer.schema
    if not len(shared):
        raise NoData("there are no rows after those that they learnt")
    ends, judged = _judged_rows(detectors, rows, since=since)
    new, old = judged["challenger"], judged["champion"]
    held_out = HeldOut.of(new.score, entity=shared.entity[ends], time=shared.time[ends])
    known = _known(config, files, shared, ends, schema.max_gap)
    timing = Timing.of(config.events, schema=schema, length=config.window.length)
    common = CommonRows(held_out, known, timing)
    if len(ends) < config.promotion.min_rows:
        return measure(common, {}, config.promotion)
    ordinary = known < 0
    verdicts = _verdicts(config, detectors, rows, judged, ends, ends[ordinary])
    checks = measure(common, verdicts, config.promotion)
    hidden = hide_cells(detectors, rows, ends[ordinary])
    checks += explained_checks(hidden, config.promotion)
    if learnt is not None:
        checks += learnt_checks(learnt, old.flagged[ordinary], config.promotion)
    return checks


def _judged_rows(
    detectors: Mapping[str, CalibratedScorer], rows: Mapping[str, Rows], *, since: int
) -> tuple[Int64, _Judged]:
    """Return the rows that both scored (N,), and the verdicts of both on them."""
    start = max(since, int(rows["challenger"].time.min()))
    judged = {
        role: gate_rows.judge_rows(each, rows[role], rows[role].time >= start)
        for role, each in detectors.items()
    }
    ends = np.intersect1d(judged["challenger"].ends, judged["champion"].ends)
    places = {role: np.searchsorted(each.ends, ends) for role, each in judged.items()}
    return ends, {role: each.take(places[role]) for role, each in judged.items()}


def _verdicts(
    config: Config,
    detectors: Mapping[str, CalibratedScorer],
    rows: Mapping[str, Rows],
    judged: _Judged,
    ends: Int64,
    ordinary: Int64,
) -> dict[str, Verdicts]:
    """Return the verdicts of each version on the rows, and on anomalies injected in ordinary ones.

    Both see the same anomalies.
    """
    shared, schema = rows["challenger"], detectors["challenger"].scorer.schema
    anomalies = gate_rows.plan(shared, ordinary, schema, seed=config.training.seed)
    verdicts = {}
    for role, each in detectors.items():
        injecting = gate_rows.held_out_rows(rows[role], ends, each.scorer.schema)
        broken, p_value = judged[role].broken, judged[role].p_value
        verdicts[role] = Verdicts(
            p_value=p_value,
            flagged=judged[role].flagged,
            broken=broken,
            injected=gate_rows.judge_injected(each, rows[role], injecting, anomalies),
            unaltered=gate_rows.smallest_inside(np.where(broken, 0.0, p_value), ends, anomalies),
            predicted=each.calibration.forecast.per_day,
        )
    return verdicts


def _known(config: Config, files: Source, rows: Rows, ends: Int64, max_gap: int) -> Int64:
    """Return the number of the known anomaly that each row lies in, -1 for none: (N,)."""
    merge_gap = EventRules.of(config.events, max_gap=max_gap).merge_gap
    labels = read_labels(config.output)
    found = known_anomalies(files, config.data, labels, merge_gap=merge_gap) or ()
    return inside_known(found, rows.take(ends))
