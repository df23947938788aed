"""A slow fault at the top of a page: who, since when, how much, and what is part of it."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from drift_days import write_days
from report_output import HOSTILE, write_output

from aedetect.drift import fault_alerts, find_shifts
from aedetect.drift.daily_levels import daily_levels
from aedetect.drift.daily_table import read_blocks
from aedetect.output.partitions import Span
from aedetect.report import PageFacts, read_page
from aedetect.report.html import render_page
from aedetect.report.view import page_view
from aedetect.report.wording import first_sentence
from aedetect.timestamps import parse_instant
from aedetect.wall_clock import WallClock

FACTS = PageFacts(detector="plant", config="plant.toml", model="plant/1")
OTHERS = ("east", "west", "south")
LEAK = ([0.0, 0.0, 3.0, 3.0, 3.0], [1.0, 1.1, 1.9, 2.6, 2.4])  # PSI, and times the usual score
FAULTS = (("pump", 1, 5, 2), ("pump", 3, 30, 60), ("pump", 4, 10, 3), ("east", 4, 100, 1))


def leaking(folder, *, name="pump", moving=None, faults=FAULTS):
    """Write five days in which the score of a pump rises; return the output."""
    output = write_output(folder / "output", names=(*OTHERS, name), days=5, faults=faults)
    write_days(output, *LEAK, moving=moving or (name,), others=OTHERS)
    return output


def words(text):
    """Return what of a page is read, on one line."""
    main = text.partition("<main>")[2].partition('<script type="application/json"')[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", main)))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of these days."""
    return read_page(leaking(tmp_path_factory.mktemp("leak")), FACTS)


def test_the_page_begins_with_it(page):
    """In the first sentence and above everything else: who, since when, mostly what, how much."""
    assert first_sentence(page).startswith("Slow fault: pump since 2026-01-03. 4 events (")
    text = words(render_page(page))
    assert text.startswith(" Slow faults pump: since 2026-01-03, mostly heat On 2026-01-05")
    assert "its mean score is 2.4 times that of its calibration (2.6 on 2026-01-04)" in text
    assert "up to 1.5 times, and 2.25 times is a slow fault" in text
    assert "most other entities have not shifted" in text


def test_it_began_when_the_run_says_that_it_did(tmp_path):
    """Also before the first day of the page; the line has the days of the page."""
    output = write_output(tmp_path / "output", names=(*OTHERS, "pump"), days=12)
    write_days(output, [0.0] * 2 + [3.0] * 10, [1.0, 1.1] + [2.6] * 10, others=OTHERS)
    (told,) = fault_alerts(find_shifts(output)).values()
    page = read_page(output, replace(FACTS, days=4))
    (found,) = page.faults
    assert found.shift.text in told
    assert read_page(output, FACTS, shifts=()).faults == ()  # of a run that found none
    assert (found.shift.since, found.levels.days[0], len(found.levels.days)) == (
        *("2026-01-03", "2026-01-09"),
        4,
    )
    text = words(render_page(page))
    assert "pump: since 2026-01-03, mostly heat" in text
    earlier = parse_instant("2026-01-08T00:00:00Z")
    then = read_page(output, replace(FACTS, span=Span(None, earlier), days=2))
    assert then.shifts == tuple(find_shifts(output, span=Span(None, earlier)))


def test_its_events_are_told_as_parts_of_one_fault(page):
    """Those since it began, with a link to the most severe; not those before, nor of others."""
    (found,) = page.faults
    own = page.events.to_pylist()
    late = [each for each in own if each["entity"] == "pump" and each["start"].day >= 3]
    assert found.events == tuple(each["event_id"] for each in late)
    text = render_page(page)
    assert "2 events of the 4 below are part of it." in words(text)
    assert f'<a href="#e-{late[0]["event_id"]}">{late[0]["text"]}</a>' in text


def test_a_line_shows_it_beside_the_others(page):
    """A point a day, the limit, and between what most others are; a day without rows breaks it."""
    (shown,) = page_view(page, [])["faults"]
    assert shown["line"].count("L") == 4
    heights = [y for _, y in shown["points"]]
    assert heights.index(min(heights)) == 3
    assert [text for _, text in shown["ticks"]] == ["1", "2.25"]
    assert "01-04 2.6" in shown["daily"]
    (fault,) = page.faults
    gap = replace(fault.levels, times=np.array([1.0, np.nan, 1.9, 2.6, 2.4]))
    broken = replace(page, faults=(replace(fault, levels=gap),))
    assert page_view(broken, [])["faults"][0]["line"].count("M") == 2


def test_levels_are_those_that_drift_judges(tmp_path):
    """Of the entities asked for, with the middle of the others by day."""
    write_days(tmp_path, *LEAK, moving=("pump", "mill"))
    days = read_blocks(tmp_path, span=Span(), clock=WallClock())
    levels = daily_levels(days, {"pump", "away"})
    np.testing.assert_allclose(levels["pump"].times, LEAK[1])
    np.testing.assert_allclose(levels["pump"].limit, 1.5)
    assert levels["pump"].low[3] == pytest.approx(1.0)
    assert 1.0 < levels["pump"].high[3] < 2.6
    assert np.isnan(levels["away"].times).all()


def test_without_one_there_is_no_such_part(tmp_path):
    """A shift that is no fault is among the drift alone."""
    output = write_output(tmp_path / "output", names=(*OTHERS, "pump"), days=3)
    write_days(output, [0.0, 3.0, 3.0], [1.0, 1.6, 1.6], others=OTHERS)
    page = read_page(output, FACTS)
    assert page.shifts
    assert page.faults == ()
    assert first_sentence(page).startswith("no events")
    assert "Slow fault" not in words(render_page(page))


def test_of_many_some_are_shown_and_all_are_counted(tmp_path):
    """Seven of 20 entities at once: five with a line."""
    pumps = tuple(f"pump {at}" for at in range(7))
    output = write_output(tmp_path / "output", names=("east",), days=5)
    write_days(output, *LEAK, moving=pumps, others=tuple(f"fan {at}" for at in range(13)))
    page = read_page(output, FACTS)
    assert [each.shift.entity for each in page.faults] == list(pumps[:5])
    told = "Slow faults: pump 0 since 2026-01-03, pump 1 since 2026-01-03, pump 2 since 2026-01-03"
    assert first_sentence(page).startswith(f"{told} and 4 more. ")
    assert "2 more are among the shifts" in words(render_page(page))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_entities_stay_text(tmp_path, name):
    """Whatever they hold."""
    text = render_page(read_page(leaking(tmp_path, name=name, faults=()), FACTS))
    assert "<script>window" not in text
    assert "<img" not in text
    assert "x" * 400 not in text.partition("<main>")[2].partition('<section id="lanes"')[0]
