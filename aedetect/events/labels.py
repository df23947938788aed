"""What people said of events: false alarm or confirmed. A small table beside the output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aedetect.errors import OutputError
from aedetect.events.table import read_event_table
from aedetect.output import aside, list_files, publish, written
from aedetect.output.atomic import PART, updating
from aedetect.output.partitions import FLAGGED
from aedetect.timestamps import to_nanoseconds

LABELS = "labels"  # folder below the output
LabelName = Literal["false_alarm", "confirmed"]
FALSE_ALARM: LabelName = "false_alarm"
CONFIRMED: LabelName = "confirmed"
LABEL_NAMES = (FALSE_ALARM, CONFIRMED)
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
    opinion: LabelName
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
            f"{path} must be a table of labels, but it cannot be read ({error}): restore it or "
            "remove it and label again"
        ) from error
    return tuple(Label(**row) for row in rows)


def label_events(
    output: Path, events: Sequence[str], *, opinion: LabelName, note: str | None, now: str
) -> None:
    """Keep what a person says of events; an earlier opinion gives way. `now` is an ISO moment.

    Raises OutputError when there is no such event.
    """
    table = read_event_table(output, suppressed=True)
    wanted = table.filter(pc.is_in(table["event_id"], pa.array(events, pa.string())))
    if missing := sorted(set(events) - set(wanted["event_id"].to_pylist())):
        raise OutputError(
            f"an event must be one of events/ in {output}, but there is no "
            f"{', '.join(missing)}: aedetect flags shows the ids"
        )
    context = list_files(output, FLAGGED)[-1].origin().lookback
    moments = [to_nanoseconds(wanted[name]).to_pylist() for name in ("start", "end")]
    said = [
        Label(
            event_id=event_id,
            entity=entity,
            start=start,
            end=end,
            context=context,
            opinion=opinion,
            note=note,
            labelled=now,
        )
        for event_id, entity, start, end in zip(
            wanted["event_id"].to_pylist(), wanted["entity"].to_pylist(), *moments, strict=True
        )
    ]
    with updating(output / LABELS):
        kept = [each for each in read_labels(output) if each.event_id not in events]
        write_labels(output, [*kept, *said])


def forget_labels(output: Path, events: Sequence[str]) -> None:
    """Take back what was said of events; raise OutputError when nothing was said of one."""
    _check_labelled(events, read_labels(output))
    with updating(output / LABELS):
        labels = read_labels(output)
        _check_labelled(events, labels)
        write_labels(output, [each for each in labels if each.event_id not in events])


def _check_labelled(events: Sequence[str], labels: Sequence[Label]) -> None:
    if missing := sorted(set(events) - {each.event_id for each in labels}):
        raise OutputError(
            f"nothing was said of {', '.join(missing)}, so nothing can be forgotten: aedetect "
            "label CONFIG lists what was said"
        )


def write_labels(output: Path, labels: Iterable[Label]) -> None:
    """Write the table anew, in the order of time; who read it before holds `updating`."""
    ordered = sorted(labels, key=lambda label: (label.start, label.entity or "", label.event_id))
    table = pa.Table.from_pylist([asdict(label) for label in ordered], schema=_SCHEMA)
    with written(output), aside(output) as folder:
        pq.write_table(table, folder / PART)
        publish(folder / PART, output / LABELS / PART)
