"""Labels of events are stored, and change the training data."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pandas as pd
import pytest
from plant import table, write

from aedetect.errors import OutputError
from aedetect.events import Label, label_events, read_event_table, read_labels
from aedetect.events.labels import CONFIRMED, FALSE_ALARM, forget_labels, write_labels
from aedetect.events.table import as_events

LABEL = Label(
    event_id="a1",
    entity="p1",
    start=10,
    end=20,
    context=3,
    opinion=FALSE_ALARM,
    note="cleaning day",
    labelled="2026-03-01T00:00:00+00:00",
)


def test_no_labels(tmp_path):
    """Without a table there are no labels."""
    assert read_labels(tmp_path) == ()


def test_labels_are_kept_in_the_order_of_time(tmp_path):
    """They are read as written, the earliest event first."""
    earlier = dataclasses.replace(LABEL, event_id="b2", entity=None, start=1, note=None)
    write_labels(tmp_path, [LABEL, earlier])
    assert read_labels(tmp_path) == (earlier, LABEL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels"]


def label(plant, events, opinion=FALSE_ALARM):
    """Label events."""
    label_events(plant.output, events, opinion=opinion, note=None, now="2026-02-01")
    return {each.event_id: each for each in read_labels(plant.output)}


def test_a_label_records_the_interval_of_its_event(plant):
    """Entity, start, end, and how much context before the start contributes to its scores."""
    summary = plant.score()
    assert summary.flagged
    event = next(as_events(read_event_table(plant.output)))
    said = label(plant, [event.event_id])[event.event_id]
    assert said.entity == event.entity
    assert pd.Timestamp(said.start) == pd.Timestamp(event.start)
    assert pd.Timestamp(said.end) == pd.Timestamp(event.end)
    assert said.context > 0


def test_a_second_label_replaces_the_first(plant):
    """An event has one label, the last; other events keep theirs."""
    plant.score()
    first, second = read_event_table(plant.output, suppressed=True)["event_id"].to_pylist()[:2]
    label(plant, [first, second])
    said = label(plant, [first], CONFIRMED)
    assert {each: said[each].opinion for each in said} == {first: CONFIRMED, second: FALSE_ALARM}
    forget_labels(plant.output, [first])
    assert [each.event_id for each in read_labels(plant.output)] == [second]


def test_unknown_events_are_refused(plant):
    """Then nothing is stored, not even for known events."""
    plant.score()
    known = read_event_table(plant.output, suppressed=True)["event_id"].to_pylist()[0]
    with pytest.raises(OutputError, match=r"there is no event nowhere in .*lists the ids"):
        label(plant, [known, "nowhere"])
    assert read_labels(plant.output) == ()
    with pytest.raises(OutputError, match="must have a label to be removed, but nowhere has none"):
        forget_labels(plant.output, ["nowhere"])


def test_a_broken_table_is_refused(tmp_path):
    """The message names the file."""
    write_labels(tmp_path, [LABEL])
    (tmp_path / "labels" / "part-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(OutputError, match=r"labels.part-0\.parquet must be a table of labels"):
        read_labels(tmp_path)


_LABELS = """
import sys
from pathlib import Path
from aedetect.events.labels import forget_labels, label_events
output, events = Path(sys.argv[1]), sys.argv[2:]
for event in events:
    label_events(output, [event], opinion="confirmed", note=None, now="2026-02-01")
for event in events[1::2]:
    forget_labels(output, [event])
"""


def test_concurrent_labels_are_all_kept(plant):
    """Each process reads, changes and writes the table under a lock."""
    flags = plant.incoming / "flags.parquet"
    rows = pd.concat(
        table(f"2026-02-{day:02}").assign(cpu=lambda r: r["cpu"].where(r.index % 60 > 3, 500.0))
        for day in range(1, 3)
    )
    write(rows, flags)
    plant.score(events={"merge_gap": "5min"})  # an event in each hour
    ids = [each.event_id for each in as_events(read_event_table(plant.output))][:40]
    assert len(ids) == 40
    writers = [
        subprocess.Popen([sys.executable, "-c", _LABELS, plant.output, *ids[part::2]])
        for part in range(2)
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    kept = {each.event_id for each in read_labels(plant.output)}
    assert kept == {*ids[0::2][0::2], *ids[1::2][0::2]}
