"""Events that last, and what stands out from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
from flags import FIRST, MIDNIGHT, ORIGIN, SECOND, THIRD, flag, formed, judge, judged, row

from aedetect.events import EventRules, Formation
from aedetect.events.event_arrays import assemble_events
from aedetect.events.flagged_rows import read_flagged_columns
from aedetect.events.ongoing import find_level_shifts
from aedetect.events.settings import EventSettings
from aedetect.output import list_files
from aedetect.output.partitions import EVENTS, FLAGGED
from aedetect.timestamps import NANOSECONDS

HOUR = NANOSECONDS["h"]
RULES = EventRules(HOUR, level_shift=6 * HOUR, cool_down=HOUR)
SHIFT = Formation(
    detector="pump", by="day", settings=EventSettings(merge_gap="1h", level_shift="6h")
)


def lasting(*faults, minutes=(0, 1440), rise=0.0, **other):
    """Rows of one entity that all stand above the threshold, as noise about a level; and faults."""
    random = np.random.default_rng(0)
    scores = 8 + random.normal(0, 0.5, 4 * 1440)
    for begin, end, height in faults:
        scores[begin:end] += height
    return [
        row(minute, score=float(scores[minute] + rise * minute), strength=0.5, **other)
        for minute in range(*minutes)
    ]


def made(tmp_path, *rows, rules=RULES):
    """Events of the rows of the second day and the third."""
    flag(tmp_path, SECOND, *[each for each in rows if each["timestamp"].day == MIDNIGHT.day])
    flag(tmp_path, THIRD, *[each for each in rows if each["timestamp"].day != MIDNIGHT.day])
    files = list_files(tmp_path, FLAGGED)
    return assemble_events(read_flagged_columns(files), rules, detector="pump")


def test_an_event_within_the_limit_is_no_shift(tmp_path):
    """Six hours are an event, a minute more is a shift of level; the loss of a column is none."""
    rows = lasting(minutes=(0, 361))
    other = lasting(minutes=(0, 362), entity="west")
    lost = lasting(minutes=(0, 999), entity="north", reason="a is missing")
    events = made(tmp_path, *rows, *other, *lost)
    named = [events.flagged.names[code] for code in events.entity]
    assert dict(zip(named, events.shifted.tolist(), strict=True)) == {
        "east": False,
        "north": False,
        "west": True,
    }


def test_what_stands_out_from_a_level_is_an_event_of_its_own(tmp_path):
    """It takes its rows out of the shift, which goes on around it; both are reported."""
    events = made(tmp_path, *lasting((900, 920, 6.0)))
    assert events.rows.tolist() == [1420, 20]
    assert events.shifted.tolist() == [True, False]
    assert events.suppression.tolist() == [0, 0]  # the shift does not cool it down
    begin, end = (events.start - events.start[0]) / 6e10, (events.end - events.start[0]) / 6e10
    assert (begin.tolist(), end.tolist()) == ([0, 900], [1439, 919])
    assert len(set(events.ids)) == 2
    assert events.of_rows(0)[895:925].tolist() == [0] * 5 + [1] * 20 + [0] * 5


def test_the_first_block_is_only_learnt_from(tmp_path):
    """Nothing is known of a level before it has lasted: a peak at its begin is part of it."""
    assert made(tmp_path, *lasting((30, 50, 6.0))).rows.tolist() == [1440]


def test_a_quiet_level_hides_nothing_and_tells_nothing(tmp_path):
    """Four days of noise: one event. A level that rises slowly is followed."""
    assert made(tmp_path / "a", *lasting(minutes=(0, 2880))).rows.tolist() == [2880]
    assert made(tmp_path / "b", *lasting(minutes=(0, 2880), rise=0.0005)).rows.tolist() == [2880]


def test_later_rows_do_not_change_what_was_told(tmp_path):
    """What stands out depends on rows before it alone."""
    rows = lasting((900, 920, 6.0), (2000, 2300, 30.0), minutes=(0, 2880))
    short, long = made(tmp_path / "a", *rows[:1200]), made(tmp_path / "b", *rows)
    assert set(short.ids) < set(long.ids)
    assert short.rows.tolist()[1] == long.rows.tolist()[1] == 20


def test_its_severity_is_what_it_has_beyond_the_level(tmp_path):
    """A level makes every row critical; what stands out is rated by what it adds."""
    rows = lasting((900, 920, 6.0), severity="critical")
    for each in rows[900:920]:
        each["strength"] = 0.52
    events = made(tmp_path, *rows)
    assert events.severity.tolist() == [2, 0]
    assert events.strength[1] == np.float32(20 * 0.02)


def test_a_shift_that_goes_on_is_found_with_its_begin(tmp_path):
    """Until the merge gap has passed; the event says so itself."""
    origin = replace(ORIGIN, period=NANOSECONDS["min"])
    last = MIDNIGHT + timedelta(minutes=500)
    flag(tmp_path, SECOND, *lasting(minutes=(0, 501)), *lasting(minutes=(0, 30), entity="west"))
    judge(tmp_path, FIRST, origin=origin)
    judge(tmp_path, SECOND, judged(500), origin=origin)
    formed(tmp_path, merge_gap="1h", level_shift="6h", hold=0)
    (found,) = find_level_shifts(tmp_path, SHIFT)
    assert (found.entity, found.rows, found.lasted) == ("east", 501, 500 * NANOSECONDS["min"])
    assert found.start == MIDNIGHT.replace(tzinfo=None).isoformat()
    texts = list_files(tmp_path, EVENTS)[-1].read(["entity", "end", "text"])
    told = {each["entity"]: each for each in texts.to_pylist()}
    assert told["east"]["text"] == f"level has shifted: {found.text}"
    assert told["east"]["end"] == pa.scalar(last.replace(tzinfo=None)).as_py()
    assert not told["west"]["text"].startswith("level has shifted")
    judge(tmp_path, SECOND, judged(561), origin=origin)
    assert find_level_shifts(tmp_path, SHIFT) == ()
