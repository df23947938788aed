"""Known anomalies, from a label column and from confirmed events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.data import open_engine
from aedetect.data.reader import reading
from aedetect.data.scan import ENTITY, TIME, Cell, scan
from aedetect.events import Label
from aedetect.events.grouping import group_rows
from aedetect.events.labels import CONFIRMED
from aedetect.output.scratch import temporary_folder

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.data import Rows, Source, SourceFile
    from aedetect.data.settings import DataSettings

_ENGINE_MB = 300


@dataclass(frozen=True, order=True)
class KnownAnomalies:
    """One interval of one entity that is known to be anomalous: start and end in ns, inclusive."""

    entity: str | None
    start: int
    end: int


def known_anomalies(
    source: Source, settings: DataSettings, labels: Sequence[Label], *, merge_gap: int
) -> tuple[KnownAnomalies, ...] | None:
    """Return the known anomalies, sorted; None when there are neither labels nor confirmed events.

    Labelled rows that are at most `merge_gap` ns apart form one interval. Confirmed events are
    added.
    """
    files = [file for file in source.files if settings.label in file.columns]
    if settings.label is None or not files:
        confirmed = _confirmed(labels)
        return tuple(sorted(confirmed, key=_sort_key)) if confirmed else None
    return tuple(
        sorted({*_labelled(files, settings, merge_gap), *_confirmed(labels)}, key=_sort_key)
    )


def inside_known(known: Sequence[KnownAnomalies], rows: Rows) -> Int64:
    """Return the number of the known anomaly that each row lies in, -1 for none: (R,)."""
    found = np.full(len(rows), -1, dtype=np.int64)
    codes = {name: code for code, name in enumerate(rows.names)}
    for number, each in enumerate(known):
        inside = (rows.time >= each.start) & (rows.time <= each.end)
        found[inside & (rows.entity == codes.get(each.entity, -1))] = number
    return found


def _sort_key(known: KnownAnomalies) -> tuple[str, int, int]:
    return known.entity or "", known.start, known.end


def _confirmed(labels: Sequence[Label]) -> list[KnownAnomalies]:
    return [
        KnownAnomalies(each.entity, each.start, each.end)
        for each in labels
        if each.opinion == CONFIRMED
    ]


def _labelled(
    files: Sequence[SourceFile], settings: DataSettings, merge_gap: int
) -> list[KnownAnomalies]:
    """Group the rows that are labelled anomalous."""
    label = {"label": Cell(str(settings.label), "BOOLEAN")}
    sql = (
        f"SELECT DISTINCT {ENTITY} AS entity, epoch_ns({TIME}) AS time "
        f"FROM {scan(files, label, entity=settings.entity)} WHERE label ORDER BY entity, time"
    )
    with (
        temporary_folder() as scratch,
        reading(files),
        open_engine(memory_mb=_ENGINE_MB, threads=2, scratch=scratch) as connection,
    ):
        table = connection.sql(sql).to_arrow_table()
    time_ns = table["time"].to_numpy()
    encoded = table["entity"].combine_chunks().dictionary_encode(null_encoding="encode")
    codes = np.asarray(encoded.indices.to_numpy(), dtype=np.int32)
    names = encoded.dictionary.to_pylist()
    found = group_rows(time_ns, codes, merge_gap=merge_gap)
    return [
        KnownAnomalies(names[codes[first]], int(time_ns[first]), int(time_ns[last]))
        for first, last in zip(found.first.tolist(), found.last.tolist(), strict=True)
    ]
