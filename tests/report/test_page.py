"""The content of a page: its time, lanes, events, and what could not be scored."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from report_output import DAY, FIRST, HOSTILE, STEP, write_output

from aedetect.errors import NoData
from aedetect.evaluation import KnownAnomalies
from aedetect.events import label_events, read_event_table
from aedetect.output.partitions import Span
from aedetect.report import PageFacts, read_page, write_page
from aedetect.report.cards import MAX_MEMBERS
from aedetect.report.grid import read_grid
from aedetect.report.html import MAX_BYTES, render_page
from aedetect.report.incident_view import group_cards
from aedetect.report.page import with_facts
from aedetect.report.view import page_view
from aedetect.report.wording import first_sentence
from aedetect.scoring.maintenance import Interval
from aedetect.scoring.outcome import PeriodOutcome

FACTS = PageFacts(detector="plant", config="my plant.toml", model="plant/1")
FAULTS = (("west", 1, 30, 6), ("west", 2, 100, 1), ("east", 1, 30, 6))


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Three days of two entities, with three faults; two of them begin together."""
    return write_output(tmp_path_factory.mktemp("page") / "output", faults=FAULTS)


@pytest.fixture(scope="module")
def page(output):
    """The page of all days."""
    return read_page(output, FACTS)


def data(text):
    """Return the data in a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


def test_the_sentence_tells_events_and_what_was_not_scored(page):
    """The events by severity, the time, and the reason."""
    sentence = first_sentence(page)
    assert sentence.startswith("3 events (")
    assert "in 3 days" in sentence
    assert "2 of 864 rows could not be scored: needs 15 earlier rows." in sentence


def test_the_sentence_compares_with_budget_and_usual(page):
    """A rate above both is said to be so, one below is not."""
    busy = replace(FACTS, budget="1 per week", budget_a_day=1 / 7, usual=(0.1, 0.3))
    assert "above the budget of 1 per week" in first_sentence(with_facts(page, busy))
    assert "more than usual (0.1 to 0.3 a day)" in first_sentence(with_facts(page, busy))
    calm = replace(FACTS, budget="9 per day", budget_a_day=9, usual=(0.5, 2.0))
    assert "within the budget of 9 per day" in first_sentence(with_facts(page, calm))
    assert "as usual" in first_sentence(with_facts(page, calm))
    each = replace(FACTS, budget="1 per day per entity", budget_a_day=3)
    assert "the budget of 1 per day per entity (3 a day in all)" in first_sentence(
        with_facts(page, each)
    )


@pytest.mark.parametrize(
    ("share", "low", "high", "evidence", "state"),
    [
        (0.005, 0.001, 0.02, {}, "kept"),
        (0.02, 0.001, 0.05, {}, "above; chance is not ruled out"),
        (0.05, 0.02, 0.08, {}, "not kept"),
        (0.05, 0.02, 0.08, {"kept_since": "2026-01-09"}, "not kept before that"),
        (0.02, None, None, {}, "too few days to tell"),
        (0.05, 0.02, 0.08, {"bound": 0.06}, "kept"),
        (0.05, 0.02, 0.08, {"refused": "85 rows are few"}, "nothing was promised"),
    ],
)
def test_a_promise_is_called_kept_only_when_it_was(page, share, low, high, evidence, state):
    """A wide interval of a young detector is no evidence that it was; a widened one is wider."""
    outcome = PeriodOutcome(
        period=7, days=7, entity=None, together=True, rows=1_000, flagged=int(share * 1_000),
        share=share, low=low, high=high, promise=0.01, **evidence,
    )  # fmt: skip
    shown = page_view(with_facts(page, replace(FACTS, outcome=(outcome,))), [])
    assert [each["state"] for each in shown["outcome"]] == [state]


def test_cells_hold_the_rarest_row(page):
    """Of the rows of a cell, and of all entities in the overall lane; worst lanes come first."""
    grid, axis = page.grid, page.axis
    assert grid.entities[0] == page.events["entity"][0].as_py()
    cell = (FIRST + DAY + 30 * STEP - axis.start) // axis.step
    west = grid.entities.index("west")
    assert grid.rarest[west, cell] == pytest.approx(1e-6)
    assert grid.overall[cell] == pytest.approx(1e-6)
    assert np.nanmin(np.delete(grid.rarest[west], cell)) == pytest.approx(1e-6)  # the other fault
    assert grid.rows.sum() == grid.overall_rows.sum() == 864
    assert grid.counts == {"normal": 849, "anomaly": 13, "not_scored": 2}


def test_a_lane_is_for_those_asked_first(output, page):
    """With few lanes, entities with events have them; the overall lane has the rows of all."""
    grid = read_grid(output, page.axis, first=["east"], most=1)
    assert (grid.entities, grid.known) == (("east",), 2)
    assert grid.overall_rows.sum() == 2 * grid.rows.sum()


def test_a_span_limits_everything(output):
    """Rows, events and runs outside of it are not on the page."""
    facts = replace(FACTS, span=Span(FIRST + 2 * DAY, FIRST + 3 * DAY))
    page = read_page(output, facts)
    assert len(page.events) == 1
    assert page.before == 2
    assert sum(page.grid.counts.values()) == 288
    assert "2 in as much time before" in first_sentence(page)
    with pytest.raises(NoData, match="no scores in the time asked for"):
        read_page(output, replace(FACTS, span=Span(FIRST + 9 * DAY, None)))


def test_the_last_days_are_shown_by_default(output):
    """As many as the settings say, up to the newest row."""
    page = read_page(output, replace(FACTS, days=1))
    assert page.first == FIRST + 2 * DAY


def test_marks_lie_where_the_time_is(page):
    """Events, planned work and labelled anomalies, in units of cells."""
    start, end = FIRST + DAY, FIRST + DAY + 6 * STEP
    facts = replace(
        FACTS,
        maintenance=(Interval(start, end, "", "oil change"), Interval(start, end, "east", "")),
        known=(KnownAnomalies("west", start + 25 * STEP, start + 40 * STEP),),
    )
    lanes = data(render_page(with_facts(page, facts)))["lanes"]
    cell = page.axis.step
    place = round((start - page.axis.start) / cell, 3)
    east, west = (page.grid.entities.index(name) for name in ("east", "west"))
    assert [mark[:2] for mark in lanes["maintenance"]] == [[-1, place], [east, place]]
    assert lanes["known"][0][0] == west
    begun = round((start + 30 * STEP - page.axis.start) / cell, 3)
    own = [mark for mark in lanes["events"] if mark[1] == begun]
    assert {mark[0] for mark in own} == {east, west}
    assert len({mark[5] for mark in own}) == 1  # one incident
    assert own[0][5] is not None


def test_detections_are_told(page):
    """Found, missed and false, with the time ahead."""
    start = FIRST + DAY + 30 * STEP
    known = (KnownAnomalies("west", start + 3 * STEP, start + 9 * STEP),)
    text = render_page(with_facts(page, replace(FACTS, known=known)))
    assert "Of 1 labelled anomalies 1 found, 0 missed. Of 3 events 2 false." in text
    assert "30 minutes before it began" in text


def test_events_that_nobody_confirmed_are_not_false(page):
    """Where people confirm some events, and no column labels all anomalies."""
    start = FIRST + DAY + 30 * STEP
    known = (KnownAnomalies("west", start, start + 9 * STEP),)
    facts = replace(FACTS, known=known, complete=False)
    assert "Of 3 events 2 are not confirmed." in render_page(with_facts(page, facts))


def test_many_weak_events_beside_a_strong_one_are_folded(page):
    """All of them stand on the page; a few are shown as they are."""
    card = page.cards[0]
    weak = [
        replace(card, event=replace(card.event, severity="info", event_id=f"{at:012}"))
        for at in range(6)
    ]
    text = render_page(replace(page, cards=(card, *weak)))
    assert '<details id="minor"><summary>6 more of severity info' in text
    assert 'id="minor"' not in render_page(replace(page, cards=(card, *weak[:5])))
    assert 'id="minor"' not in render_page(replace(page, cards=tuple(weak)))


def test_events_that_began_together_are_one_item(page):
    """Where the most severe of them is, with its members inside; another event is by itself."""
    views = [{"id": card.event.event_id} for card in page.cards]
    items = group_cards(views, page.events, FACTS.clock)
    together = [item for item in items if item["together"]]
    assert [len(item["events"]) for item in together] == [2]
    assert sorted(view["id"] for item in items for view in item["events"]) == sorted(
        view["id"] for view in views
    )
    text = render_page(page)
    assert text.count('<details class="together">') == 1
    assert text.count('<details class="event"') == 3
    assert "<bdi>2 entities</bdi> began together; most severe is <bdi>" in text
    assert re.search("<time>2026-01-02 05:00[^<]*</time> · 50 minutes", text)
    assert "Also in" not in text
    alone = render_page(replace(page, cards=page.cards[:1]))
    assert '<details class="together">' not in alone
    assert "Began together with weaker events of <bdi>" in alone


def test_an_outage_of_the_whole_plant_leaves_room_for_other_events(tmp_path):
    """Some of its members have a card, the others are named."""
    names = tuple(f"pump {at:02d}" for at in range(20))
    faults = [*((name, 1, 30, 6) for name in names), ("pump 03", 2, 90, 1)]
    output = write_output(tmp_path / "output", names=names, faults=faults)
    page = read_page(output, FACTS)
    assert len(page.cards) == MAX_MEMBERS + 1
    text = render_page(page)
    assert "<bdi>20 entities</bdi> began together" in text
    shown = [card.event.entity for card in page.cards if card.start < FIRST + 2 * DAY]
    others = text.partition("<p>Also in: <bdi>")[2].partition("</bdi>")[0].split(", ")
    assert sorted([*shown, *others]) == list(names)
    assert f"{MAX_MEMBERS + 1} of 21 events, the most severe first" in text


def test_commands_name_the_configuration_safely(page):
    """Copied into a shell they are one argument each."""
    text = render_page(page)
    event = page.cards[0].event.event_id
    assert f"aedetect label &#39;my plant.toml&#39; {event} --confirmed" in text


def test_hostile_names_stay_text(tmp_path):
    """As names of entities, columns and the detector: nothing of them is markup or script."""
    names = HOSTILE
    faults = [(name, 0, 20 + 9 * at, 3) for at, name in enumerate(names)]
    output = write_output(
        tmp_path / "output", names=names, days=1, faults=faults, column=HOSTILE[1]
    )
    facts = replace(FACTS, detector=HOSTILE[0], config=HOSTILE[1], known=(), units={})
    text = render_page(read_page(output, facts))
    assert text.count("<script") == text.count("</script>") == 3
    assert "<img" not in text
    assert "x" * 301 not in text
    assert data(text)["lanes"]["lanes"][0]["name"]


def test_a_page_is_small_whatever_the_texts(tmp_path):
    """With a hundred events of long texts and lines, what does not fit is left out."""
    names = tuple(f"{at:03d}" + "\u2260" * 400 for at in range(120))
    faults = [(name, 0, 20 + 9 * (at % 12), 3) for at, name in enumerate(names)]
    output = write_output(
        tmp_path / "output", names=names, days=1, faults=faults, column="\u2260" * 2_000
    )
    size = write_page(read_page(output, FACTS), tmp_path / "page.html")
    assert size == (tmp_path / "page.html").stat().st_size <= MAX_BYTES


def test_past_events_with_the_same_causes_are_shown(tmp_path):
    """With what people said of them, the labelled ones first; none of later."""
    faults = (("west", 0, 30, 3), ("east", 1, 30, 3), ("west", 2, 30, 3))
    output = write_output(tmp_path / "output", faults=faults)
    first, second, last = read_event_table(output).sort_by("start")["event_id"].to_pylist()
    label_events(output, [first], opinion="false_alarm", note="cleaning", now="2026-01-09")
    cards = {each.event.event_id: each for each in read_page(output, FACTS).cards}
    assert [each.event_id for each in cards[last].past] == [first, second]
    assert [each.event_id for each in cards[first].past] == []
    assert cards[last].past[0].likeness == pytest.approx(1)
    text = render_page(read_page(output, FACTS))
    assert 'people said: <span class="said">false alarm: cleaning</span>' in text
