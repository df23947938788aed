"""What a version learnt as normal: judged by the champion of that time, and by people.

Injected anomalies cannot tell that a version was trained on anomalous days: those look like neither
of the usual faults. What can be known is that the champion flagged these rows, or that they are
labelled or confirmed as anomalous, and that no one said that they are normal.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect import registry
from aedetect.data import Query
from aedetect.data.scan import ENTITY, sql_literal
from aedetect.detector import CalibratedScorer
from aedetect.errors import AedetectError, NoData, UnknownModel
from aedetect.evaluation import known_anomalies
from aedetect.evaluation.ground_truth import inside_known
from aedetect.evaluation.learnt import LearntRows, share_of_rows
from aedetect.events import EventRules, read_labels
from aedetect.jobs.gate_rows import check_columns, judge_rows, mapped_rows, most_rows
from aedetect.jobs.training_source import all_sources
from aedetect.logs import log_event
from aedetect.output.scratch import temporary_folder
from aedetect.registry.tags import set_version_tags
from aedetect.training.label_filter import apply_labels

if TYPE_CHECKING:
    import numpy.typing as npt

    from aedetect.arrays import Bool
    from aedetect.config import Config
    from aedetect.data import Rows
    from aedetect.evaluation import KnownAnomalies
    from aedetect.training import Ingested

logger = logging.getLogger(__name__)
_LEARNT = "learnt_rows"  # tag of a version
_MOST_ENTITIES, _SLICES = 50, 8  # a sample of larger tables


def note_learnt(
    config: Config, ingested: Ingested, registered: registry.Registered
) -> registry.Registered:
    """Judge the rows that a new version learnt, and keep the result as a tag of it.

    There is none without a champion, or where the champion reads other columns.
    """
    uri = config.tracking_uri
    try:
        champion = registry.find_version(config.name, tracking_uri=uri)
        if champion.version == registered.version:
            return registered
        detector = CalibratedScorer.load(registry.fetch_version(champion, tracking_uri=uri))
        check_columns(ingested.schema, detector.scorer.schema)
        found = _learnt(config, ingested, detector, champion.reference)
    except UnknownModel:
        return registered
    except AedetectError as error:
        log_event(logger, "note", text=f"the champion cannot judge what was learnt: {error}")
        return registered
    tags = {_LEARNT: json.dumps(asdict(found))}
    return set_version_tags(registered, tags, tracking_uri=uri)


def read_learnt(registered: registry.Registered) -> LearntRows | None:
    """Return what is known of the rows that a version learnt; None when nothing is."""
    kept = registered.tags.get(_LEARNT)
    with suppress(ValueError, TypeError):  # a tag that others have written
        return None if kept is None else LearntRows(**json.loads(kept))
    return None


def _learnt(
    config: Config, ingested: Ingested, detector: CalibratedScorer, champion: str
) -> LearntRows:
    """Judge the rows, or a sample of them."""
    found, names, known, flagged = _known(config, ingested), [], [], []
    for begin, rows in _samples(config, ingested, detector):
        if not len(rows):
            continue
        judged = judge_rows(detector, rows, rows.time >= begin)
        there = rows.take(judged.ends)
        known.append(inside_known(found, there) >= 0)
        flagged.append(judged.flagged & ~known[-1])
        names.append(np.array([name or "" for name in there.names])[there.entity])
    if not sum(len(each) for each in known):
        raise NoData("none of these rows can be scored by it")
    shares = [share_of_rows(np.concatenate(each)) for each in (known, flagged)]
    marked = np.concatenate(known) | np.concatenate(flagged)
    entity, largest = _worst(np.concatenate(names), marked)
    return LearntRows(
        champion=champion,
        rows=len(marked),
        known=shares[0][0],
        known_least=shares[0][1],
        flagged=shares[1][0],
        flagged_least=shares[1][1],
        entity=entity,
        entity_share=largest,
    )


def _worst(names: npt.NDArray[np.str_], marked: Bool) -> tuple[str | None, float]:
    """Return the entity with the largest share; None when there is only one."""
    listed, code = np.unique(names, return_inverse=True)
    share = np.bincount(code, marked) / np.bincount(code)
    at = int(share.argmax())
    return (str(listed[at]) if len(listed) > 1 else None), float(share[at])


def _samples(
    config: Config, ingested: Ingested, detector: CalibratedScorer
) -> Iterator[tuple[int, Rows]]:
    """Yield the begin of each slice of time, and its rows with those before it.

    Rows that people have labelled are not among them: confirmed ones are not learnt, and false
    alarms are normal.
    """
    schema, labels = detector.scorer.schema, read_labels(config.output)
    names = ingested.rows.names
    chosen = names[:: -(-len(names) // _MOST_ENTITIES)]
    where = _of_entities(ingested.survey.where, chosen if len(chosen) < len(names) else ())
    first, last = int(ingested.rows.time.min()), int(ingested.rows.time.max())
    count = len(ingested.rows) * len(chosen) / len(names)
    slices = 1 if count <= most_rows(schema) else _SLICES
    length = int((last + 1 - first) * min(most_rows(schema) / count, 1) / slices) + 1
    starts = np.linspace(first, max(last + 1 - length, first), slices).astype(np.int64)
    for begin in starts.tolist():
        query = Query.of(
            schema,
            ingested.source.files,
            where=where,
            mentioned=ingested.survey.mentioned,
            start=max(begin - detector.scorer.lookback, first),
            end=begin + length,
        )
        if labels:
            query = apply_labels(query, labels, arrived=None, false_alarms="exclude")
        with temporary_folder() as scratch:
            yield begin, mapped_rows(query, scratch)


def _of_entities(where: str | None, names: Sequence[str | None]) -> str | None:
    """Add to a condition that rows are of some entities; of all, when none is named."""
    if not names:
        return where
    listed = ", ".join(sql_literal(name) for name in names if name is not None)
    of = f"{ENTITY} IN ({listed})"
    return of if where is None else f"({where}) AND {of}"


def _known(config: Config, ingested: Ingested) -> Sequence[KnownAnomalies]:
    """Return the known anomalies of the time that was learnt, of any file: labels of the input too.

    The training files may lack the labels that those to score have.
    """
    if config.data.label is None:
        return ()
    first, last = int(ingested.rows.time.min()), int(ingested.rows.time.max())
    source = all_sources(config)
    near = tuple(
        file
        for file in source.files
        if file.times is None or (file.times.first <= last and file.times.last >= first)
    )
    merge_gap = EventRules.of(config.events, max_gap=ingested.schema.max_gap).merge_gap
    return known_anomalies(replace(source, files=near), config.data, (), merge_gap=merge_gap) or ()
