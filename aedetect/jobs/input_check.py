"""What scoring will do with the input: files it quarantines, rows it cannot score, new values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pyarrow.types import is_null

from aedetect.data import Query, Source, find_files, read_rows
from aedetect.data.plain_files import is_plain, is_small, read_plain
from aedetect.data.reader import engine_for
from aedetect.data.wholeness import fault
from aedetect.data.wide import column_groups
from aedetect.errors import AedetectError
from aedetect.jobs.dataset import DATASET_MEMORY_MB
from aedetect.jobs.findings import Finding, Grade
from aedetect.jobs.input_counts import RowCounts, count_rows, joined
from aedetect.output.scratch import temporary_folder
from aedetect.scoring.schema_drift import admitted, column_changes, undated
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import Schema, SourceFile
    from aedetect.preprocessing import Preparation

_NAMED = 5  # entities and columns in a finding
_MOST = 20  # findings of single entities
_MANY = 0.05  # share of rows that a window does not reach, which deserves a look


@dataclass(frozen=True, kw_only=True)
class InputQuality:
    """The quality report of the data to score."""

    files: int
    rows: int
    first: str | None  # timestamps; None without rows
    last: str | None
    problems: tuple[str, ...]  # files that are quarantined, and rows without a timestamp
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class InputSeen:
    """What is seen of the input without the training data."""

    source: Source
    scored: Source
    faults: Mapping[str, str]  # files whose values cannot be read to their end, and why
    filled: Sequence[SourceFile]
    counts: RowCounts | None  # of few rows; others are counted when nothing else is in memory


def see_input(config: Config, schema: Schema) -> InputSeen:
    """Look at the files to score, which needs no more of the training data than its columns."""
    source = find_files(config.input, timestamp=schema.timestamp)
    scored, _ = admitted(source, schema)
    filled = [file for file in scored.files if file.times is not None]
    counts, unread = None, scored.files
    if filled and is_small(Query.of(schema, filled)):
        with suppress(AedetectError):  # looking for faults tells of it
            counts = _counted(config, schema, filled)
            unread = tuple(file for file in scored.files if file.times is None)
    faults = _faults(unread, schema)
    filled = [file for file in filled if file.name not in faults]
    return InputSeen(source=source, scored=scored, faults=faults, filled=filled, counts=counts)


def check_input(
    config: Config,
    schema: Schema,
    preparation: Preparation | None,
    seen: InputSeen | None = None,
) -> InputQuality:
    """Check the files to score by the rules of scoring; without a preparation, the files alone."""
    seen = seen or see_input(config, schema)
    source, scored, faults, filled = seen.source, seen.scored, seen.faults, seen.filled
    findings = list(_file_findings(source, scored, faults))
    problems = [f"{each.subject}: {each.text}" for each in findings if each.grade != "ok"]
    findings += _silent_columns(schema, filled)
    if preparation is not None and filled:
        changes = column_changes(schema, preparation, filled, label=config.data.label)
        findings += [Finding("look", "input", each.file, each.detail) for each in changes]
        findings += _row_findings(config, schema, preparation, seen)
    if len(faults) == len(scored.files):
        findings.append(Finding("refuse", "input", "files", "no file can be scored"))
    ranges = [file.times for file in source.files if file.times is not None]
    clock = schema.clock
    return InputQuality(
        files=len(source.files),
        rows=sum(file.rows for file in source.files),
        first=clock.format(min(each.first for each in ranges)) if ranges else None,
        last=clock.format(max(each.last for each in ranges)) if ranges else None,
        problems=tuple(problems),
        findings=tuple(findings),
    )


def _faults(files: Iterable[SourceFile], schema: Schema) -> dict[str, str]:
    """Return the files whose values cannot be read to their end, and why."""
    needed = {schema.timestamp, *schema.names} | ({schema.entity} if schema.entity else set())
    found = {file.name: fault(file, needed) for file in files if file.rows}
    return {name: reason for name, reason in found.items() if reason is not None}


def _file_findings(source: Source, scored: Source, faults: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the files that scoring quarantines, and those with rows that get no verdict."""
    for each in scored.quarantined:
        yield Finding("look", "input", each.name, each.reason)
    for name, reason in faults.items():
        yield Finding("look", "input", name, reason)
    for each in scored.passed_over:
        yield Finding("look", "input", each.name, f"{each.reason}: passed over")
    for file in scored.files:
        if file.undated:
            yield Finding("look", "input", file.name, undated(file))
    if not source.files:
        return
    empty = [file.name for file in scored.files if not file.rows]
    if empty:
        yield Finding("ok", "input", list_some(empty, most=_NAMED), "no rows")


def _silent_columns(schema: Schema, files: Sequence[SourceFile]) -> Iterator[Finding]:
    """Yield columns of type null, as writers store a sensor without a value."""
    for file in files:
        kinds = {name: file.columns.get(name) for name in schema.names}
        silent = [name for name, kind in kinds.items() if kind is not None and is_null(kind)]
        if silent:
            named = list_some(silent, most=_NAMED)
            text = f"{named}: of type null, without a value in all {file.rows:,} rows"
            yield Finding("look", "input", file.name, text)


def _row_findings(
    config: Config, schema: Schema, preparation: Preparation, seen: InputSeen
) -> list[Finding]:
    """Return what is found in the rows; a file that cannot be read to its end is a finding."""
    try:
        counts = seen.counts or _counted(config, schema, seen.filled)
    except AedetectError as error:
        return [Finding("look", "input", "files", f"{error}: the file is quarantined")]
    if not counts.names:
        return []
    return [
        *_entity_findings(counts, schema, preparation, unseen=config.calibration.unseen),
        *_column_findings(counts, schema, ignored=config.rules.unseen_category == "ignore"),
        *_window_findings(counts, length=config.window.length),
    ]


def _counted(config: Config, schema: Schema, files: Sequence[SourceFile]) -> RowCounts:
    """Count what the rows of files hold, a group of columns after the other."""
    counted = []
    with (
        temporary_folder() as scratch,
        engine_for(files, memory_mb=DATASET_MEMORY_MB, threads=2, scratch=scratch) as engine,
    ):
        for group in column_groups(Query.of(schema, files)):
            texts = np.array([bool(each) for each in group.categories.values()])
            rows = read_plain(group) if is_plain(group) else read_rows(engine(), group)
            counted.append(count_rows(rows, schema, texts, length=config.window.length))
    return joined(counted)


def _entity_findings(
    counts: RowCounts, schema: Schema, preparation: Preparation, *, unseen: str
) -> Iterator[Finding]:
    """Yield what is found of entities: new ones, and sensors that never report for one."""
    names, sizes, present = counts.names, np.concatenate(counts.sizes), counts.present[0]
    known = frozenset(preparation.entities)
    nameless = [schema.entity is not None and name is None for name in names]
    if any(nameless):
        text = f"{int(sizes[nameless].sum()):,} rows have no value in it: not scored"
        yield Finding("look", "input", str(schema.entity), text)
    unknown = [bool(known) and name not in known for name in names]
    new = np.flatnonzero(np.array(unknown) & ~np.array(nameless)).tolist()
    if new:
        done = (
            "scored by the pooled scaling and threshold"
            if unseen == "pooled"
            else 'not scored ([calibration] unseen = "pooled" scores them)'
        )
        text = f"not in the training data: {int(sizes[new].sum()):,} rows {done}"
        subject = list_some((str(names[index]) for index in new), most=_NAMED)
        yield Finding("look", "input", subject, text)
    features = np.array(schema.names, dtype=object)
    left = "scored without it" if preparation.masks else "not scored"
    absent = (present == 0) & ~np.array(nameless)[:, None]
    for index in np.flatnonzero(absent.any(axis=1))[:_MOST].tolist():
        lacking = features[absent[index]].tolist()
        subject = str(names[index] or "rows")
        if len(lacking) == len(features):
            yield Finding("look", "input", subject, "no column has a value: no row is scored")
        else:
            text = f"{list_some(lacking, most=_NAMED)}: no value, rows are {left}"
            yield Finding("look", "input", subject, text)
    more = int(absent.any(axis=1).sum()) - _MOST
    if more > 0:
        yield Finding("look", "input", "entities", f"{more:,} more lack all values of a column")


def _column_findings(counts: RowCounts, schema: Schema, *, ignored: bool) -> Iterator[Finding]:
    for feature, infinite, unknown in zip(
        schema.features, counts.infinite.tolist(), counts.unknown.tolist(), strict=True
    ):
        if infinite:
            yield Finding(
                "look", "input", feature.name, f"{infinite:,} rows with infinite values: not scored"
            )
        if unknown:
            done = "scored as missing" if ignored else "anomalies ([rules] unseen_category)"
            text = f"{unknown:,} rows with values that training lacked: {done}"
            yield Finding("look", "input", feature.name, text)


def _window_findings(counts: RowCounts, *, length: int) -> Iterator[Finding]:
    if counts.duplicates:
        yield Finding(
            "look", "input", "rows", f"{counts.duplicates:,} rows repeat an entity and timestamp: "
            "the first of each is scored",
        )  # fmt: skip
    if counts.early:
        grade: Grade = "look" if counts.early > counts.rows * _MANY else "ok"
        text = (
            f"{counts.early:,} of {counts.rows:,} rows have fewer than {length - 1} rows before "
            "them without a gap: not scored, unless the output has earlier ones"
        )
        yield Finding(grade, "input", "gaps", text)
