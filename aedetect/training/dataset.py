"""Data passed between the stages of training: ingested rows and prepared rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aedetect.arrays import Int64
from aedetect.data import Rows, Schema, Source
from aedetect.data.fill_values import FillValue
from aedetect.data.profiling import Survey
from aedetect.preprocessing import Part, Windows

if TYPE_CHECKING:
    from aedetect.preprocessing import Preparation


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """Normal rows, sorted, and metadata of their files."""

    rows: Rows
    schema: Schema
    survey: Survey
    source: Source
    fingerprint: str
    notes: tuple[str, ...]  # remarks for the user, a sentence each
    duplicates: int = 0  # rows that repeat an entity and timestamp, and are left out
    fill_values: tuple[FillValue, ...] = ()
    row_numbers: tuple[tuple[str, float], ...] = ()  # columns left out, and the step they grow by


@dataclass(frozen=True, kw_only=True)
class PreparedRows:
    """Windows of each part, in model units.

    back (R,) is the number of consecutive usable rows of the same part before each row, -1 for
    unusable rows.
    """

    preparation: Preparation
    windows: Mapping[Part, Windows]
    back: Int64
