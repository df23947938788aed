"""What people said of events is kept, and changes what is learnt from."""

from __future__ import annotations

import dataclasses

import pytest

from aedetect.errors import OutputError
from aedetect.feedback import CONFIRMED, FALSE_ALARM, Label, read_labels, write_label

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


def test_nobody_said_anything(tmp_path):
    """Without a table there are no labels."""
    assert read_labels(tmp_path) == ()


def test_labels_are_kept_in_the_order_of_time(tmp_path):
    """What is written is read, the earliest event first."""
    earlier = dataclasses.replace(LABEL, event_id="b2", entity=None, start=1, note=None)
    write_label(tmp_path, LABEL)
    write_label(tmp_path, earlier)
    assert read_labels(tmp_path) == (earlier, LABEL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels"]


def test_a_second_opinion_replaces_the_first(tmp_path):
    """One event has one label, the last."""
    second = dataclasses.replace(LABEL, opinion=CONFIRMED)
    write_label(tmp_path, LABEL)
    write_label(tmp_path, second)
    assert read_labels(tmp_path) == (second,)


def test_a_broken_table_is_refused(tmp_path):
    """The message names the file."""
    write_label(tmp_path, LABEL)
    (tmp_path / "labels" / "part-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(OutputError, match=r"labels.part-0\.parquet must be a table of labels"):
        read_labels(tmp_path)
