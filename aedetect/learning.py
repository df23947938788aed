"""The first two stages of a training run: Parquet -> normal rows -> windows of each part."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from aedetect import prepare as preparing
from aedetect.collect import batches_of, collect, sampling_period
from aedetect.durations import format_duration, parse_duration
from aedetect.errors import NoData, TooFewRows
from aedetect.feedback import CONFIRMED, FALSE_ALARM, OPINIONS, Label, read_labels
from aedetect.files import Source, find, fingerprints
from aedetect.ingest import Int, Rows, engine, read
from aedetect.logs import log_event
from aedetect.opinions import FalseAlarms, heed
from aedetect.schema import Schema, column_types
from aedetect.sink import written
from aedetect.split import Part, split
from aedetect.sql import Query
from aedetect.survey import Survey, survey
from aedetect.window import Windows, positions, with_context

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.prepare import Preparation

logger = logging.getLogger(__name__)
T = TypeVar("T", bound=np.generic)

ENGINE_MB = 1_000  # memory of DuckDB while training data are ordered
MAX_GAP_PERIODS = 5
MISSING_LIMIT_PERIODS = 10


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """Normal rows in order, and what is known of their files."""

    rows: Rows
    schema: Schema
    survey: Survey
    source: Source
    fingerprint: str
    notes: tuple[str, ...]  # what a person should know, a sentence each


@dataclass(frozen=True, kw_only=True)
class PreparedRows:
    """Windows of each part, as the model sees them.

    back (R,) counts the usable rows of its part directly before each row, -1 for unusable rows.
    """

    preparation: Preparation
    windows: Mapping[Part, Windows]
    back: Int


def ingest(config: Config, scratch: Path) -> Ingested:
    """Read, check, filter and order the training data into a scratch folder."""
    settings = config.data
    source = find(config.train, timestamp=settings.timestamp)
    with engine(memory_mb=ENGINE_MB, threads=2, scratch=scratch) as connection:
        seen = survey(connection, source, settings)
        query = Query(
            files=source.files,
            timestamp=settings.timestamp,
            entity=settings.entity,
            categories={feature.name: feature.categories for feature in seen.features},
            where=seen.where,
        )
        labels = read_labels(config.output)
        query = heed(
            query,
            labels,
            arrived=_arrived(config) if labels else None,
            false_alarms=config.training.false_alarms,
        )
        collected = collect(read(connection, query), columns=len(seen.features), folder=scratch)
    notes = (
        *(f"{file}: set aside" for file in source.aside),
        *_row_notes(seen, collected.duplicates),
        *_label_notes(labels, config.training.false_alarms),
        *seen.left_out,
    )
    for note in notes:
        log_event(logger, "note", text=note)
    return Ingested(
        rows=collected.rows,
        schema=_schema(config, seen, collected.rows, source),
        survey=seen,
        source=source,
        fingerprint=_fingerprint(source),
        notes=notes,
    )


def prepare(config: Config, ingested: Ingested, scratch: Path) -> PreparedRows:
    """Split by time, learn what is typical from the learning part, and form windows."""
    rows, schema, length = ingested.rows, ingested.schema, config.window.length
    parts = split(rows, holdout=config.calibration.holdout, gap=length)
    limit = config.prepare.missing_limit
    preparation = preparing.learn(
        rows,
        parts,
        schema=schema,
        settings=config.prepare,
        missing_limit=parse_duration(limit) if limit else MISSING_LIMIT_PERIODS * schema.period,
    )
    matrix, observed, usable = apply_in_batches(preparation, rows, scratch)
    starts = rows.starts
    starts[1:] |= parts[1:] != parts[:-1]
    back = positions(rows.time, starts=starts, usable=usable, max_gap=schema.max_gap)
    ends = {part: np.flatnonzero((back >= length - 1) & (parts == part)) for part in Part}
    ends[Part.LEARN] = ends[Part.LEARN][:: config.window.stride]
    windows = {part: Windows(matrix, observed, ends[part], length) for part in Part}
    _check_enough(config, schema, windows)
    return PreparedRows(preparation=preparation, windows=windows, back=back)


def _schema(config: Config, seen: Survey, rows: Rows, source: Source) -> Schema:
    settings = config.data
    frequency = parse_duration(settings.frequency) if settings.frequency else None
    period = frequency or sampling_period(rows)
    if not period:
        raise TooFewRows(
            f"at least two normal rows of one entity are needed, got {len(rows)} rows of "
            f"{len(rows.names)} entities: give more rows, or check [data] entity"
        )
    return Schema(
        timestamp=settings.timestamp,
        aware=seen.aware,
        entity=settings.entity,
        features=seen.features,
        context=settings.context,
        period=period,
        max_gap=parse_duration(settings.max_gap) if settings.max_gap else MAX_GAP_PERIODS * period,
        types=column_types(source.files),
    )


def _row_notes(seen: Survey, duplicates: int) -> list[str]:
    notes = []
    if seen.normal < seen.rows:
        left = f"{seen.rows - seen.normal} of {seen.rows} rows"
        notes.append(
            f"{left} are not normal or have no timestamp ({seen.where or 'no filter'}): left out"
        )
    if duplicates:
        notes.append(f"{duplicates} rows repeat an entity and timestamp: the first of each is kept")
    return notes


def _arrived(config: Config) -> Source | None:
    """Return the files to score, whose false alarms may join; None when there are none."""
    if not config.scoring.input:
        return None
    with suppress(NoData):
        return find(config.input, timestamp=config.data.timestamp)
    return None


def _label_notes(labels: Sequence[Label], false_alarms: FalseAlarms) -> list[str]:
    """Say what people's labels change."""
    counts = {each: sum(label.opinion == each for label in labels) for each in OPINIONS}
    done = {"normal": "join as normal", "exclude": "are left out"}[false_alarms]
    notes = {CONFIRMED: "are left out", FALSE_ALARM: done}
    return [
        f"{count} events labelled {each.replace('_', ' ')}: their rows {notes[each]}"
        for each, count in counts.items()
        if count
    ]


def apply_in_batches(
    preparation: Preparation, rows: Rows, scratch: Path
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Prepare all rows into mapped files: matrix (R, D + K), observed (R, D), usable (R,)."""
    width, columns, count = preparation.width, len(preparation.owner), len(rows)
    matrix = _mapped(scratch / "matrix.npy", np.dtype(np.float32), (count, width))
    observed = _mapped(scratch / "observed.npy", np.dtype(np.bool_), (count, columns))
    usable = np.zeros(count, dtype=np.bool_)
    done = 0
    for batch, before in with_context(batches_of(rows), lookback=preparation.missing_limit):
        part = preparing.apply(preparation, batch)
        place = slice(done, done + len(batch) - before)
        matrix[place], observed[place] = part.matrix[before:], part.observed[before:]
        usable[place] = part.usable[before:] & ~part.infinite[before:].any(axis=1)
        done = place.stop
    return matrix, observed, usable


def _mapped(path: Path, dtype: np.dtype[T], shape: tuple[int, ...]) -> npt.NDArray[T]:
    """Map a new file for which the disk has room: writing to a mapped one that has not kills us.

    Raises OutputError when it has no room.
    """
    with written(path.parent):
        array: npt.NDArray[T] = np.lib.format.open_memmap(path, "w+", dtype, shape)
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
                f"no window of {length} rows without a step over {format_duration(schema.max_gap)} "
                f"fits the rows to {part.name.lower()}: give more rows, lower [window] length, or "
                "raise [data] max_gap"
            )


def data_fingerprint(config: Config) -> str:
    """Return the fingerprint of the training data as they are now."""
    return _fingerprint(find(config.train, timestamp=config.data.timestamp))


def _fingerprint(source: Source) -> str:
    """Hash the names and contents of all files."""
    listed = json.dumps(fingerprints(source.files), sort_keys=True)
    return hashlib.blake2b(listed.encode(), digest_size=16).hexdigest()
