"""Labelled anomalies in the held-out time: never trained on, scored for `fbeta` and `auto`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Int32, Int64
from aedetect.calibration import HeldOut
from aedetect.data import Query, Rows, open_engine, read_rows
from aedetect.data.memmap import map_rows
from aedetect.data.reader import confine
from aedetect.data.scan import ENTITY
from aedetect.detector import Scorer, Series
from aedetect.detector.ticks import ticks_of
from aedetect.jobs.dataset import DATASET_MEMORY_MB, apply_in_batches
from aedetect.output.scratch import temporary_folder
from aedetect.preprocessing import positions
from aedetect.training import Ingested

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.preprocessing import Preparation


@dataclass(frozen=True)
class LabelledRows:
    """Rows since the first held-out row of each entity, labelled or not, and rows before them.

    Shapes: truth (R,) whether a row is labelled anomalous; held_out (R,) whether it lies in the
    held-out time; owner (R,) the entity code of the training rows, -1 for none; time (R,) in ns.
    """

    series: Series
    truth: Bool
    held_out: Bool
    owner: Int32
    time: Int64


def read_labelled_rows(
    config: Config,
    ingested: Ingested,
    preparation: Preparation,
    *,
    entity: Int32,
    time: Int64,
    lookback: int,
    folder: Path,
) -> LabelledRows | None:
    """Read labelled rows and those around them from the training files; None without labels.

    Windows contain all rows, labelled or not, as when new rows are scored. Shapes: entity (N,) and
    time (N,) of the normal held-out rows; lookback in ns. The folder must exist while the rows are
    used.
    """
    label, files = config.data.label, ingested.source.files
    known = label is not None and all(label in file.columns for file in files)
    if not known or ingested.survey.normal == ingested.survey.rows or not len(time):
        return None
    rows = _read(config, ingested, folder, since=int(time.min()) - lookback)
    if not len(rows):
        return None
    truth = np.asarray(rows.values[:, -1] > 0)
    plain = Rows(time=rows.time, entity=rows.entity, names=rows.names, values=rows.values[:, :-1])
    matrix, observed, usable = apply_in_batches(preparation, plain, folder)
    back = positions(
        rows.time, starts=rows.starts, usable=usable, max_gap=ingested.schema.max_gaps(rows)
    )
    owner = _owners(ingested, rows)
    since = np.full(len(ingested.rows.names) + 1, np.iinfo(np.int64).max)  # the last: unseen
    np.minimum.at(since, entity, time)
    codes = preparation.entity_codes(plain)
    valid, tick = np.ones(len(rows), dtype=np.bool_), ticks_of(rows, ingested.schema)
    series = Series(matrix, observed, codes, back, valid=valid, tick=tick)
    return LabelledRows(series, truth, rows.time >= since[owner], owner, rows.time)


def labelled_rows(
    config: Config,
    ingested: Ingested,
    scorer: Scorer,
    normal: HeldOut,
) -> HeldOut:
    """Return the labelled rows of the held-out time, scored; those that cannot be are omitted."""
    with temporary_folder() as folder:
        found = read_labelled_rows(
            config,
            ingested,
            scorer.preparation,
            entity=normal.entity,
            time=normal.time,
            lookback=scorer.lookback,
            folder=folder,
        )
        if found is None:
            return HeldOut.of([])
        ends, evaluated = scorer.judge(found.series, found.truth & found.held_out)
        return HeldOut.of(
            evaluated.score, entity=found.owner[ends], time=found.time[ends], anomaly=True
        )


def _read(config: Config, ingested: Ingested, folder: Path, *, since: int) -> Rows:
    """Read rows with the label as last column, since a time."""
    schema, label = ingested.schema, str(config.data.label)
    conditions = [f"({config.data.normal})"] if config.data.normal else []
    conditions += [f"{ENTITY} IS NOT NULL"] if schema.entity else []
    query = Query.of(
        schema,
        ingested.source.files,
        numbers=(label,),
        where=" AND ".join(conditions) or None,
        mentioned=ingested.survey.mentioned,
        start=since,
    )
    with open_engine(
        memory_mb=DATASET_MEMORY_MB, threads=2, scratch=folder, files=query.files
    ) as connection:
        confine(connection, query.files)
        return map_rows(
            read_rows(connection, query), columns=len(query.categories), folder=folder
        ).rows


def _owners(ingested: Ingested, rows: Rows) -> Int32:
    """Return the entity code of each row among the normal rows: (R,), -1 when it has none."""
    known = {name: code for code, name in enumerate(ingested.rows.names)}
    lookup = np.array([known.get(name, -1) for name in rows.names], dtype=np.int32)
    return np.asarray(lookup[rows.entity])
