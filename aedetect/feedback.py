"""What people said of events: false alarm or confirmed. A small table beside the output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.errors import OutputError
from aedetect.sink import PART, aside, publish, written

LABELS = "labels"  # folder below the output
Opinion = Literal["false_alarm", "confirmed"]
FALSE_ALARM: Opinion = "false_alarm"
CONFIRMED: Opinion = "confirmed"
OPINIONS = (FALSE_ALARM, CONFIRMED)
_SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("entity", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("context", pa.int64()),
        ("opinion", pa.string()),
        ("note", pa.string()),
        ("labelled", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a person said of one event."""

    event_id: str
    entity: str | None
    start: int  # ns since 1970, of the first flagged row
    end: int  # ns, of the last flagged row: the interval holds both
    context: int  # ns before the start that the rows of the event are judged from
    opinion: Opinion
    note: str | None
    labelled: str  # ISO moment


def read_labels(output: Path) -> tuple[Label, ...]:
    """Read what people said, in the order of time; empty when nobody said anything.

    Raises OutputError when the table cannot be read.
    """
    path = output / LABELS / PART
    if not path.exists():
        return ()
    try:
        with path.open("rb") as stream:
            rows = pq.read_table(stream, schema=_SCHEMA).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise OutputError(
            f"{path} must be a table of labels, however it cannot be read ({error}): restore it or "
            "remove it and label again"
        ) from error
    return tuple(Label(**row) for row in rows)


def write_label(output: Path, label: Label) -> None:
    """Keep a label; an earlier one of the same event gives way."""
    kept = [each for each in read_labels(output) if each.event_id != label.event_id]
    _write(output, [*kept, label])


def _write(output: Path, labels: Iterable[Label]) -> None:
    ordered = sorted(labels, key=lambda label: (label.start, label.entity or "", label.event_id))
    table = pa.Table.from_pylist([asdict(label) for label in ordered], schema=_SCHEMA)
    with written(output), aside(output) as folder:
        pq.write_table(table, folder / PART)
        publish(folder / PART, output / LABELS / PART)
