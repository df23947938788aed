"""Labels of events by users: false alarm or confirmed. A small table beside the output."""

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
from aedetect.output.files import read_parquet
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
    """The label of one event."""

    event_id: str
    entity: str | None
    start: int  # ns since 1970, of the first flagged row
    end: int  # ns, of the last flagged row, inclusive
    context: int  # ns before the start that contribute to the scores of the event
    opinion: LabelName
    note: str | None
    labelled: str  # ISO time


def read_labels(output: Path) -> tuple[Label, ...]:
    """Read all labels, ordered by time; empty when there are none.

    Raises OutputError when the table cannot be read.
    """
    path = output / LABELS / PART
    if not path.exists():
        return ()
    try:
        rows = read_parquet(path, _SCHEMA.names).cast(_SCHEMA).to_pylist()
    except (OSError, pa.ArrowException, ValueError) as error:
        raise OutputError(
            f"{path} must be a table of labels, but it cannot be read ({error}): restore it or "
            "remove it and label again"
        ) from error
    return tuple(Label(**row) for row in rows)


def label_events(
    output: Path, events: Sequence[str], *, opinion: LabelName, note: str | None, now: str
) -> None:
    """Store a label for events, which replaces an earlier one. `now` is an ISO time.

    Raises OutputError when an event does not exist.
    """
    table = read_event_table(output, suppressed=True)
    wanted = table.filter(pc.is_in(table["event_id"], pa.array(events, pa.string())))
    if missing := sorted(set(events) - set(wanted["event_id"].to_pylist())):
        raise OutputError(
            f"there is no event {', '.join(missing)} in {output}: `aedetect flags CONFIG "
            "--suppressed` lists the ids"
        )
    context = list_files(output, FLAGGED)[-1].origin().lookback
    times = [to_nanoseconds(wanted[name]).to_pylist() for name in ("start", "end")]
    new = [
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
            wanted["event_id"].to_pylist(), wanted["entity"].to_pylist(), *times, strict=True
        )
    ]
    with updating(output / LABELS):
        kept = [each for each in read_labels(output) if each.event_id not in events]
        write_labels(output, [*kept, *new])


def forget_labels(output: Path, events: Sequence[str]) -> None:
    """Remove the labels of events; raise OutputError when an event has no label."""
    _check_labelled(events, read_labels(output))
    with updating(output / LABELS):
        labels = read_labels(output)
        _check_labelled(events, labels)
        write_labels(output, [each for each in labels if each.event_id not in events])


def _check_labelled(events: Sequence[str], labels: Sequence[Label]) -> None:
    if missing := sorted(set(events) - {each.event_id for each in labels}):
        raise OutputError(
            f"an event must have a label to be removed, but {', '.join(missing)} has none: "
            "aedetect label CONFIG lists the labels"
        )


def write_labels(output: Path, labels: Iterable[Label]) -> None:
    """Replace the table, ordered by time; callers that read it before hold `updating`."""
    ordered = sorted(labels, key=lambda label: (label.start, label.entity or "", label.event_id))
    table = pa.Table.from_pylist([asdict(label) for label in ordered], schema=_SCHEMA)
    with written(output), aside(output) as folder:
        pq.write_table(table, folder / PART)
        publish(folder / PART, output / LABELS / PART)
