"""What a training run passes from stage to stage: rows read, and rows prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aedetect.arrays import Int64
from aedetect.data import Rows, Schema, Source
from aedetect.data.profiling import Survey
from aedetect.preprocessing import Part, Windows

if TYPE_CHECKING:
    from aedetect.preprocessing import Preparation


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
    back: Int64
