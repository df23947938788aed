"""Which candidates are reported so that most reported events are real."""

from __future__ import annotations

import numpy as np
import pytest
from flags import FIRST, ORIGIN, SECOND, flag, judge, judged, row
from scipy.stats import false_discovery_control

from aedetect.events import Formation, form_events
from aedetect.events.discovery import discoveries
from aedetect.events.judged_rows import JudgedCounts, read_judged_rows
from aedetect.events.settings import EventSettings
from aedetect.events.table import read_event_table
from aedetect.timestamps import NANOSECONDS

DAY = NANOSECONDS["d"]


def rows_of(days, count=1000):
    """As many judged rows on each of some days."""
    begin = np.arange(days) * DAY
    return JudgedCounts(begin, begin + DAY, np.full(days, count))


def test_one_batch_is_that_of_benjamini_and_hochberg():
    """As SciPy has it, where all rows of the window are tested on one day."""
    random = np.random.default_rng(0)
    p = np.concatenate([random.uniform(size=300), random.uniform(size=20) * 1e-4])
    expected = false_discovery_control(p) <= 0.2
    judged = JudgedCounts(np.array([0]), np.array([30 * DAY]), np.array([len(p)]))
    found = discoveries(np.zeros(len(p), np.int64), p, judged, precision=0.8)
    assert 20 <= expected.sum() < 40
    assert found.tolist() == expected.tolist()


def test_later_candidates_change_nothing_on_earlier_days():
    """So that what was told stays, and a day is remembered for 30 days and no longer."""
    start = np.array([0, 0, 10, 29, 60]) * DAY
    p = np.array([1e-7, 5e-6, 1.3e-5, 1.3e-5, 1.3e-5])
    rows = rows_of(40)
    whole = discoveries(start, p, rows, precision=0.8)
    assert whole.tolist() == [True, True, True, True, False]
    for count in range(1, 6):
        part = discoveries(start[:count], p[:count], rows, precision=0.8)
        assert part.tolist() == whole[:count].tolist()


def test_the_rows_of_a_day_that_fills_do_not_count():
    """The rate before it counts; of the first day, its own."""
    full, half = rows_of(9), rows_of(9)
    half.rows[-1] //= 2
    day = np.array([0, 4, 8])
    assert full.in_window(day).tolist() == [30_000] * 3
    assert half.in_window(day).tolist() == [30_000] * 3


@pytest.mark.parametrize("wanted", [0.5, 0.8])
@pytest.mark.parametrize("memory", [0.0, 0.97])
def test_the_share_of_real_events_is_kept_under_dependence(wanted, memory):
    """Of 60 simulated months whose rows remember those before, with a real event every other day.

    The p-values are exact; a run of rare rows is one candidate.
    """
    from scipy.signal import lfilter
    from scipy.stats import norm

    random = np.random.default_rng(1)
    false = real = 0
    for _ in range(60):
        noise = random.normal(size=30 * 1440) * np.sqrt(1 - memory**2)
        noise = lfilter([1.0], [1.0, -memory], noise)
        place = random.choice(30 * 144, 15, replace=False) * 10
        for at in place:
            noise[at : at + 5] += random.uniform(2, 8)
        p = norm.sf(noise)
        low = np.flatnonzero(p < 1e-3)
        first = np.flatnonzero(np.diff(low, prepend=-100) > 10)
        smallest = np.minimum.reduceat(p[low], first)
        start = low[first] * NANOSECONDS["min"]
        kept = discoveries(start, smallest, rows_of(30, 1440), precision=wanted)
        last = np.append(low[first[1:] - 1], low[-1])
        hit = [
            ((place + 4 >= a) & (place <= b)).any() for a, b in zip(low[first], last, strict=True)
        ]
        real += (kept & hit).sum()
        false += (kept & ~np.array(hit)).sum()
    assert real > 60 * 3
    assert real / (real + false) >= wanted


def test_doubtful_events_are_written_with_the_reason(tmp_path):
    """What a column rule flagged is no candidate; other settings restore the files."""
    judge(tmp_path, FIRST, *[judged(n - 1440, p_value=0.5) for n in range(100)], origin=ORIGIN)
    judge(tmp_path, SECOND, judged(0), origin=ORIGIN)
    flag(tmp_path, FIRST)
    rows = [row(0, p_value=1e-9), row(300, p_value=1e-3), row(600, reason="a is stuck")]
    flag(tmp_path, SECOND, *rows)
    settings = EventSettings(hold=0)
    asked = Formation(detector="pump", by="day", settings=settings, precision=0.8)
    form_events(tmp_path, asked)
    assert read_judged_rows(tmp_path, by="day").rows.tolist() == [100, 1]
    found = read_event_table(tmp_path, suppressed=True).to_pandas().sort_values("start")
    assert found["suppressed"].notna().tolist() == [False, True, False]
    assert "precision of 0.8" in found["suppressed"].iloc[1]
    form_events(tmp_path, Formation(detector="pump", by="day", settings=settings))
    assert read_event_table(tmp_path, suppressed=True)["suppressed"].null_count == 3
