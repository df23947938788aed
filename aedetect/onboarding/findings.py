"""What training would take the data for: read by the code that trains, from a part of the rows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.config import make_config
from aedetect.errors import AedetectError
from aedetect.jobs.dataset import ingest_rows
from aedetect.jobs.quality import assess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aedetect.jobs.quality import Quality
    from aedetect.training import Ingested


@dataclass(frozen=True, kw_only=True)
class Found:
    """Sampling and columns, as training sees them."""

    aware: bool = False
    period: str = "1min"
    sampling: str = "unknown"
    features: int = 0
    counters: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    fill_values: tuple[str, ...] = ()
    row_numbers: tuple[str, ...] = ()  # and clocks
    left_out: tuple[str, ...] = ()
    thin: tuple[str, ...] = ()  # entities with too few rows
    refused: str | None = None  # why training would refuse the data
    quality: Quality | None = None


def look_closer(data: Mapping[str, Any], folder: Path, scratch: Path, *, aware: bool) -> Found:
    """Read the rows as training does. What it would refuse is not raised but found."""
    given = {
        "detector": {"name": "init"},
        "data": dict(data),
        "scoring": {"output": str(scratch / "out")},
    }
    try:
        config = make_config(given, folder=folder)
        (scratch / "rows").mkdir()
        ingested = ingest_rows(config, scratch / "rows")
        return _found(ingested, assess(ingested, length=config.window.length), aware=aware)
    except AedetectError as error:
        return Found(aware=aware, refused=str(error).replace(f"{folder}{os.sep}", ""))


def _found(ingested: Ingested, quality: Quality, *, aware: bool) -> Found:
    constants = tuple(
        each.name for each in quality.columns if each.low is not None and each.low == each.high
    )
    spread = "" if " to " not in quality.period else ", by entity"
    return Found(
        aware=aware,
        period=quality.period.partition(" to ")[0],
        sampling=f"a row every {quality.period}{spread}",
        features=len(ingested.schema.features),
        counters=tuple(each.name for each in ingested.schema.features if each.counter),
        constants=constants,
        categories=tuple(each.name for each in ingested.schema.features if each.is_text),
        fill_values=tuple(f"{each.value:g} in {each.column}" for each in ingested.fill_values),
        row_numbers=tuple(name for name, _ in ingested.row_numbers),
        left_out=ingested.survey.left_out,
        thin=tuple(str(e.name) for e in quality.entities if e.verdict.startswith("fewer rows")),
        quality=quality,
    )
