"""Write the scored table cleaned or imputed by a trained detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.applications import clean_rows, impute_rows, rewrite_table
from aedetect.applications.denoise import clean_reach
from aedetect.applications.impute import impute_reach
from aedetect.applications.rewrite import RewriteRequest, choose_columns
from aedetect.applications.writer import check_target
from aedetect.data import find_files
from aedetect.data.sources import fingerprint_files
from aedetect.errors import SchemaMismatch
from aedetect.jobs.scoring import resolve_model
from aedetect.scoring import cached_detector
from aedetect.scoring.schema_drift import schema_mismatches
from aedetect.scoring.worker import origin_of

if TYPE_CHECKING:
    from aedetect.applications.rewrite import CellChange, Context, RewriteCounts
    from aedetect.arrays import Bool
    from aedetect.config import Config
    from aedetect.data import Rows, Schema, Source, SourceFile
    from aedetect.detector import Scorer
    from aedetect.output.partitions import Span
    from aedetect.scoring import Model


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """The summary of a rewritten table."""

    model: str
    to: str
    rows: int  # in the table
    rows_changed: int
    cells_changed: int
    left: dict[str, int]  # rows that could not be changed, by reason
    unreadable: tuple[str, ...]  # files missing from the table


@dataclass(frozen=True)
class _Application:
    """How rows change, the context they need, and the default features."""

    change: Callable[[Scorer, Rows], CellChange]
    reach: Callable[[Scorer], Context]
    default: Callable[[Schema], Bool]


def _numbers(schema: Schema) -> Bool:
    return np.array([feature.kind == "number" for feature in schema.features])


def _all(schema: Schema) -> Bool:
    return np.ones(len(schema.features), dtype=np.bool_)


_CLEAN = _Application(clean_rows, clean_reach, _numbers)  # numbers only: categories have no noise
_IMPUTE = _Application(impute_rows, impute_reach, _all)


def clean_table(config: Config, *, to: Path, columns: Sequence[str], span: Span) -> Rewritten:
    """Write the scored table with the noise removed in the selected columns and span."""
    return _apply(_CLEAN, config, to=to, columns=columns, span=span)


def impute_table(config: Config, *, to: Path, columns: Sequence[str], span: Span) -> Rewritten:
    """Write the scored table with missing cells filled in the selected columns and span."""
    return _apply(_IMPUTE, config, to=to, columns=columns, span=span)


def _apply(
    use: _Application, config: Config, *, to: Path, columns: Sequence[str], span: Span
) -> Rewritten:
    model = resolve_model(config)
    detector = cached_detector(model.folder)
    scorer, schema = detector.scorer, detector.scorer.schema
    asked = RewriteRequest(
        features=choose_columns(schema, columns, default=use.default(schema)),
        since=span.since,
        until=span.until,
    )
    source = find_files(config.input, timestamp=schema.timestamp)
    check_fit(schema, source.files)
    check_target(to, source.files)
    counts = rewrite_table(
        source.files,
        partial(use.change, scorer),
        schema=schema,
        reach=use.reach(scorer),
        asked=asked,
        target=to,
        origin=origin_of(model, detector.outline, fingerprint_files(source.files)),
    )
    return _summary(model, to, counts, source)


def check_fit(schema: Schema, files: Sequence[SourceFile]) -> None:
    """Raise SchemaMismatch when a file lacks a column that the detector needs."""
    for name, lack in schema_mismatches(schema, files).items():
        raise SchemaMismatch(f"{name} {lack}: correct it, or remove it from [scoring] input")


def _summary(model: Model, to: Path, counts: RewriteCounts, source: Source) -> Rewritten:
    return Rewritten(
        model=f"{model.name}/{model.version}",
        to=str(to),
        rows=counts.rows,
        rows_changed=counts.changed,
        cells_changed=counts.cells,
        left=counts.left,
        unreadable=tuple(map(str, source.quarantined)),
    )
