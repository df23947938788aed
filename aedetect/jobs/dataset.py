"""The first two stages of a training run: Parquet -> normal rows -> windows of each part."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Bool, Float32
from aedetect.data import Query, Rows, Schema, Source, find_files
from aedetect.data.memmap import MappedRows, batches_of, release
from aedetect.data.profiling import Survey, survey
from aedetect.data.rates import MISSING_LIMIT_PERIODS
from aedetect.data.reader import engine_for
from aedetect.data.revision import column_notes, revise_rows
from aedetect.data.schema import column_types
from aedetect.data.sources import fingerprint_files
from aedetect.data.wide import map_columns
from aedetect.data.zones import own_zone
from aedetect.errors import NoData, TooFewRows
from aedetect.events import Label, read_labels
from aedetect.events.labels import CONFIRMED, FALSE_ALARM, LABEL_NAMES
from aedetect.jobs.output_place import check_output
from aedetect.jobs.rates import learn_rates, rate_settings
from aedetect.jobs.training_source import TrainingSource, training_source
from aedetect.logs import log_event
from aedetect.output import written
from aedetect.preprocessing import Part, Preparation, Windows, positions, split_by_time
from aedetect.preprocessing.coverage import window_coverage
from aedetect.preprocessing.windows import with_context
from aedetect.timestamps import round_duration
from aedetect.training import Ingested, PreparedRows
from aedetect.training.label_filter import apply_labels
from aedetect.training.settings import FalseAlarms
from aedetect.wording import plural

if TYPE_CHECKING:
    from aedetect.config import Config

logger = logging.getLogger(__name__)
_T = TypeVar("_T", bound=np.generic)

DATASET_MEMORY_MB = 300  # memory of DuckDB while it orders the training data; it takes half more


def ingest_rows(config: Config, scratch: Path) -> Ingested:
    """Read, check, filter and order the training data, in a scratch folder."""
    check_output(config)
    chosen = training_source(config)
    source, labels = chosen.source, read_labels(config.output)
    seen, collected = _collect(config, chosen, labels, scratch)
    pooled, rates = learn_rates(config, collected.rows)
    revised = revise_rows(
        collected.rows,
        seen.features,
        settings=config.data,
        pooled=pooled,
        rates=rates,
        folder=scratch,
    )
    schema = Schema(
        timestamp=config.data.timestamp,
        aware=seen.aware,
        entity=config.data.entity,
        features=revised.features,
        context=config.data.context,
        period=pooled.period,
        max_gap=pooled.max_gap,
        rates=rates,
        timezone=config.data.timezone or own_zone(source.files),
        types=column_types(source.files),
    )
    covered = window_coverage(revised.rows, schema, length=config.window.length)
    notes = (
        *(f"{file}: quarantined" for file in source.quarantined),
        *(f"{file}: passed over" for file in source.passed_over),
        *chosen.notes,
        *_row_notes(seen, source, collected.duplicates),
        *_label_notes(labels, config.training.false_alarms),
        *seen.left_out,
        *column_notes(revised),
        *filter(None, [covered.describe(config.window.length)]),
    )
    for note in notes:
        log_event(logger, "note", text=note)
    return Ingested(
        rows=revised.rows,
        schema=schema,
        survey=seen,
        source=source,
        fingerprint=_fingerprint(source),
        notes=notes,
        duplicates=collected.duplicates,
        fill_values=revised.fill_values,
        row_numbers=revised.row_numbers,
    )


def _collect(
    config: Config, chosen: TrainingSource, labels: Sequence[Label], scratch: Path
) -> tuple[Survey, MappedRows]:
    """Survey the files, and map their normal rows."""
    source = chosen.source
    arrived = _arrived(config) if labels else None
    files = (*source.files, *(arrived.files if arrived else ()))
    with engine_for(files, memory_mb=DATASET_MEMORY_MB, threads=2, scratch=scratch) as engine:
        seen = survey(engine, source, config.data)
        query = Query(
            files=source.files,
            timestamp=config.data.timestamp,
            entity=config.data.entity,
            categories={feature.name: feature.categories for feature in seen.features},
            missing={feature.name: feature.missing for feature in seen.features},
            where=seen.where,
            mentioned=seen.mentioned,
            start=chosen.start,
        )
        query = apply_labels(
            query,
            labels,
            arrived=arrived,
            false_alarms=config.training.false_alarms,
        )
        return seen, map_columns(engine, query, folder=scratch)


def prepare_rows(config: Config, ingested: Ingested, scratch: Path) -> PreparedRows:
    """Split by time, fit the preparation on the learning part, and form windows."""
    rows, schema, length = ingested.rows, ingested.schema, config.window.length
    parts = split_by_time(rows, holdout=config.calibration.holdout, gap=length)
    limit = rate_settings(config).missing_limit
    preparation = Preparation.fit(
        rows,
        parts,
        schema=schema,
        settings=config.prepare,
        missing_limit=limit or MISSING_LIMIT_PERIODS * schema.period,
    )
    matrix, observed, usable = apply_in_batches(preparation, rows, scratch)
    starts = rows.starts
    starts[1:] |= parts[1:] != parts[:-1]
    back = positions(rows.time, starts=starts, usable=usable, max_gap=schema.max_gaps(rows))
    ends = {part: np.flatnonzero((back >= length - 1) & (parts == part)) for part in Part}
    ends[Part.LEARN] = ends[Part.LEARN][:: config.window.stride]
    windows = {part: Windows(matrix, observed, ends[part], length) for part in Part}
    _check_enough(config, schema, windows)
    return PreparedRows(preparation=preparation, windows=windows, back=back)


def _row_notes(seen: Survey, source: Source, duplicates: int) -> list[str]:
    """Describe the rows that are not learnt from, by their cause."""
    undated = sum(file.undated for file in source.files)
    beyond = sum(file.beyond for file in source.files)
    causes = {
        "have no timestamp": undated - beyond,
        "are not of the years 1678 to 2261": beyond,
        f"are not among the normal ones (normal: {seen.shown})": seen.rows - seen.normal - undated,
    }
    notes = [f"{n:,} of {seen.rows:,} rows {why}: left out" for why, n in causes.items() if n > 0]
    if duplicates:
        notes.append(
            f"{duplicates:,} rows repeat an entity and timestamp: the first of each is kept"
        )
    return notes


def _arrived(config: Config) -> Source | None:
    """Return the files to score, which may contain labelled false alarms; None without input."""
    if not config.scoring.input:
        return None
    with suppress(NoData):
        return find_files(config.input, timestamp=config.data.timestamp)
    return None


def _label_notes(labels: Sequence[Label], false_alarms: FalseAlarms) -> list[str]:
    """Describe how labels change the training data."""
    counts = {each: sum(label.opinion == each for label in labels) for each in LABEL_NAMES}
    done = {"normal": "join as normal", "exclude": "are left out"}[false_alarms]
    notes = {CONFIRMED: "are left out", FALSE_ALARM: done}
    return [
        f"{plural(count, 'event')} labelled {each.replace('_', ' ')}: their rows {notes[each]}"
        for each, count in counts.items()
        if count
    ]


def apply_in_batches(
    preparation: Preparation, rows: Rows, scratch: Path
) -> tuple[Float32, Bool, Bool]:
    """Prepare all rows in memory-mapped files: matrix (R, D + K), observed (R, D), usable (R,)."""
    width, columns, count = preparation.width, len(preparation.owner), len(rows)
    matrix = _mapped(scratch / "matrix.npy", np.dtype(np.float32), (count, width))
    observed = _mapped(scratch / "observed.npy", np.dtype(np.bool_), (count, columns))
    usable = np.zeros(count, dtype=np.bool_)
    done = 0
    for batch, before in with_context(batches_of(rows), lookback=preparation.longest_limit):
        part = preparation.transform(batch)
        place = slice(done, done + len(batch) - before)
        matrix[place], observed[place] = part.matrix[before:], part.observed[before:]
        usable[place] = part.usable[before:] & ~part.infinite[before:].any(axis=1)
        done = place.stop
        release(matrix)
        release(observed)
    return matrix, observed, usable


def _mapped(path: Path, dtype: np.dtype[_T], shape: tuple[int, ...]) -> npt.NDArray[_T]:
    """Create a memory-mapped file and reserve its space: writing without space kills the process.

    Raises OutputError when the disk is full.
    """
    with written(path.parent):
        array: npt.NDArray[_T] = np.lib.format.open_memmap(path, "w+", dtype, shape)
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return array


def _check_enough(config: Config, schema: Schema, windows: Mapping[Part, Windows]) -> None:
    """Raise TooFewRows when a part has no window at all."""
    for part in (Part.LEARN, Part.VALIDATE, Part.CALIBRATE):
        if not len(windows[part]):
            length = config.window.length
            raise TooFewRows(
                f"no window of {length} rows without a step over {round_duration(schema.max_gap)} "
                f"fits the rows of the {part.name.lower()} part: give more rows, lower [window] "
                "length, or raise [data] max_gap"
            )


def data_fingerprint(config: Config) -> str:
    """Return the current fingerprint of the training data."""
    return _fingerprint(training_source(config).source)


def _fingerprint(source: Source) -> str:
    """Hash the names and contents of all files."""
    listed = json.dumps(fingerprint_files(source.files), sort_keys=True)
    return hashlib.blake2b(listed.encode(), digest_size=16).hexdigest()
