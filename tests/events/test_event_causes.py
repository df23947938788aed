"""The causes of a whole event, from those of its rows."""

from __future__ import annotations

import numpy as np
import pytest
from flags import FIRST, SECOND, flag, row

from aedetect.events.event_causes import EventRows, gather_causes
from aedetect.output import list_files
from aedetect.output.partitions import FLAGGED


def cause(feature, share, observed, expected=1.0):
    """A cause, as in flagged/."""
    return {
        "feature": feature,
        "share": share,
        "observed": observed,
        "expected": expected,
        "unusual": "in itself",
    }


def gathered(output, first, second, *, event, leads=(), count=None):
    """Write two files of flagged rows; return the causes of the events of all of them."""
    flag(output, FIRST, *first)
    flag(output, SECOND, *second)
    sizes = (len(first), len(second))
    rows = EventRows(
        event=np.array(event),
        file=np.repeat(np.arange(2, dtype=np.int32), sizes),
        row=np.concatenate([np.arange(size) for size in sizes]),
        leads=np.isin(np.arange(sum(sizes)), leads),
    )
    count = max(event) + 1 if count is None else count
    return gather_causes(list_files(output, FLAGGED), rows, count).to_pylist()


def told(event):
    """Its columns in order, with what was observed."""
    return [(each["feature"], each["observed"]) for each in event["causes"]]


def test_each_column_counts_with_its_largest_blame(tmp_path):
    """In whichever row and file; with the values, the limits and the share of that row's blame."""
    limits = {"feature": "b", "low": 0.0, "high": 5.0}
    first = row(
        -2, blame=10.0, causes=[cause("a", 0.9, 7.0), cause("b", 0.1, 3.0)], outside=[limits]
    )
    later = row(
        1,
        blame=30.0,
        causes=[cause("b", 0.9, 9.0), cause("a", 0.1, 2.0)],
        outside=[limits | {"high": 6.0}],
    )
    (event,) = gathered(tmp_path, [first], [later], event=[0, 0])
    assert told(event) == [("b", 9.0), ("a", 7.0)]
    assert [each["share"] for each in event["causes"]] == pytest.approx([27 / 36, 9 / 36])
    assert event["outside"] == [limits | {"high": 6.0}]


def test_events_do_not_mix(tmp_path):
    """Though their rows lie in the same files, in any order."""
    rows = [
        row(-2, blame=1.0, causes=[cause("a", 1.0, 1.0)]),
        row(-1, "west", blame=9.0, causes=[cause("a", 1.0, 2.0)]),
    ]
    more = [row(1, blame=2.0, causes=[cause("a", 1.0, 3.0)])]
    east, west = gathered(tmp_path, rows, more, event=[0, 1, 0])
    assert (told(east), told(west)) == ([("a", 3.0)], [("a", 2.0)])


def test_the_column_of_a_rule_leads(tmp_path):
    """It is what the text begins with; shares still fall from the first to the last."""
    ruled = row(-1, blame=1.0, causes=[cause("a", 0.6, 7.0), cause("b", 0.4, 1.0)])
    far = row(1, blame=50.0, causes=[cause("b", 0.8, 9.0), cause("a", 0.2, 8.0)])
    (event,) = gathered(tmp_path, [ruled], [far], event=[0, 0], leads=[0])
    assert told(event) == [("a", 7.0), ("b", 9.0)]
    shares = [each["share"] for each in event["causes"]]
    assert shares == pytest.approx([0.5, 0.5])


def test_the_expected_category_comes_with_the_seen_one(tmp_path):
    """The two have different names: state=off was seen, state=on expected."""
    on = {"feature": "state=on", "low": None, "high": None}
    rows = [row(-1, causes=[cause("state=off", 1.0, 1.0)], outside=[on])]
    (event,) = gathered(tmp_path, rows, [], event=[0])
    assert event["outside"] == [on]


def test_rows_without_causes_do_not_count(tmp_path):
    """A later threshold flagged them; an event of nothing else has no causes."""
    bare = row(-1, causes=None, outside=None, blame=None)
    known = row(1, blame=0.0, causes=[cause("a", 1.0, 4.0)], outside=[])
    events = gathered(tmp_path, [bare], [bare, known], event=[0, 1, 0], count=2)
    assert told(events[0]) == [("a", 4.0)]
    assert events[1]["causes"] is None


def test_no_row_with_causes_is_no_cause(tmp_path):
    """Of any event."""
    bare = row(-1, causes=None, outside=None, blame=None)
    assert gathered(tmp_path, [bare], [], event=[0]) == [{"causes": None, "outside": []}]


def test_batches_make_no_difference(tmp_path):
    """Each is reduced by itself, and together they are reduced again."""
    random = np.random.default_rng(0)
    rows = []
    for minute in range(-200, 0):
        shares = np.sort(random.dirichlet(np.ones(4)))[::-1]
        names = random.permutation(list("abcd"))
        causes = [cause(n, s, float(minute)) for n, s in zip(names, shares, strict=True)]
        rows.append(row(minute, blame=float(random.exponential()), causes=causes))
    event = random.integers(0, 5, len(rows)).tolist()
    whole = gathered(tmp_path, rows, [], event=event)
    small = [_Small(each) for each in list_files(tmp_path, FLAGGED)]
    given = EventRows(
        event=np.array(event),
        file=np.zeros(len(rows), np.int32),
        row=np.arange(len(rows)),
        leads=np.zeros(len(rows), np.bool_),
    )
    assert gather_causes(small, given, 5).to_pylist() == whole
    best = max(
        (each["share"] * one["blame"], one["timestamp"])
        for one, number in zip(rows, event, strict=True)
        for each in one["causes"]
        if number == 0 and each["feature"] == "a"
    )
    seen = {each["feature"]: each["observed"] for each in whole[0]["causes"]}
    assert seen["a"] == next(
        one["causes"][0]["observed"] for one in rows if one["timestamp"] == best[1]
    )


class _Small:
    """A file that is read a few rows at a time."""

    def __init__(self, file):
        self.file = file

    def batches(self, columns):
        return self.file.batches(columns, size=7)
