"""Columns of flagged rows -> events as arrays."""

from __future__ import annotations

import numpy as np
from flags import FIRST, SECOND, flag, row

from aedetect.events import EventRules
from aedetect.events.event_arrays import assemble_events
from aedetect.events.flagged_rows import read_flagged_columns, read_peaks
from aedetect.output import list_files
from aedetect.output.partitions import FLAGGED
from aedetect.timestamps import NANOSECONDS

RULES = EventRules(10 * NANOSECONDS["min"])


def made(tmp_path, first, second=(), rules=RULES):
    """Events of the rows of two days."""
    flag(tmp_path, FIRST, *first)
    flag(tmp_path, SECOND, *second)
    files = list_files(tmp_path, FLAGGED)
    return files, assemble_events(read_flagged_columns(files), rules, detector="pump")


def test_close_rows_form_one_event(tmp_path):
    """A gap of ten minutes joins, eleven do not; rows of two entities never join."""
    rows = [row(0), row(0, "west"), row(10), row(10, "west"), row(21)]
    _, events = made(tmp_path, (), rows)
    assert events.rows.tolist() == [2, 1, 2]
    assert [events.flagged.names[code] for code in events.entity] == ["east", "east", "west"]
    assert len(set(events.ids)) == 3


def test_the_order_of_rows_in_files_does_not_matter(tmp_path):
    """Nor does their distribution over files."""
    rows = [row(-5, score=4.0), row(-1), row(0, "west"), row(3, score=9.0)]
    _, whole = made(tmp_path / "a", rows)
    _, parts = made(tmp_path / "b", rows[1::-1], rows[:1:-1])
    for name in ("ids", "start", "end", "rows", "p_value", "severity"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_an_event_is_as_severe_as_its_worst_row(tmp_path):
    """Severity and p-value are the extremes; of equal scores the first is the peak."""
    rows = [
        row(0, p_value=0.2, severity="warning"),
        row(1, score=5.0, p_value=0.01),
        row(2, score=5.0, p_value=0.02, severity="critical"),
    ]
    files, events = made(tmp_path, (), rows)
    assert (events.p_value.tolist(), events.severity.tolist()) == ([0.01], [2])
    assert events.flagged.row[events.peak].tolist() == [1]
    peaks = read_peaks(files, events.flagged.file[events.peak], events.flagged.row[events.peak])
    assert peaks["threshold"].to_pylist() == [2.0]


def test_the_rarest_row_is_the_peak_and_the_highest_score_is_told(tmp_path):
    """A score that looks back may be highest when the fault has ended."""
    rows = [
        row(0, score=5.0, p_value=0.02),
        row(1, score=6.0, p_value=0.001),
        row(2, score=6.5, p_value=0.001),
        row(3, score=9.0, p_value=0.01),
    ]
    _, events = made(tmp_path, (), rows)
    assert events.flagged.row[events.peak].tolist() == [2]
    assert events.peak_score.tolist() == [9.0]
    assert events.p_value.tolist() == [0.001]


def test_each_row_of_a_file_has_its_event(tmp_path):
    """In file order, including events that began in another file."""
    _, events = made(tmp_path, [row(-1, "west")], [row(1, "west"), row(0), row(60)])
    assert events.rows.tolist() == [1, 1, 2]
    assert events.of_rows(1).tolist() == [2, 0, 1]
    assert events.file_of_rows(1).tolist() == [0, 1]
    assert (events.starting_in(0).tolist(), events.starting_in(1).tolist()) == ([2], [0, 1])


def test_many_peaks_are_read_by_position(tmp_path):
    """In any requested order."""
    rows = [row(20 * number, threshold=3.0 + number) for number in range(40)]
    files, _ = made(tmp_path, rows[:10], rows[10:])
    file, place = np.array([1, 0, 1, 0], np.int32), np.array([29, 9, 0, 0])
    assert read_peaks(files, file, place)["threshold"].to_pylist() == [42, 12, 13, 3]


def test_no_rows_are_no_events(tmp_path):
    """Files without rows, and no files at all."""
    assert len(made(tmp_path, ())[1].ids) == 0
    assert len(assemble_events(read_flagged_columns([]), RULES, detector="pump").ids) == 0


def test_the_loss_of_a_column_is_an_event_of_its_own(tmp_path):
    """However short, and however close to other rows; it suppresses none of these."""
    minute = NANOSECONDS["min"]
    rules = EventRules(10 * minute, min_duration=2 * minute, cool_down=60 * minute)
    rows = [row(0, reason="a is missing"), *(row(each) for each in range(1, 6))]
    _, events = made(tmp_path, (), rows, rules)
    assert sorted(events.rows.tolist()) == [1, 5]
    assert events.suppression.tolist() == [0, 0]
    assert len(set(events.ids)) == 2
