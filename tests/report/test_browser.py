"""The page in a real browser: it filters, draws, prints, is accessible, and asks nothing of a net.

Needs Chromium (as `apt-get install chromium` has it) and Playwright; skipped where either is not.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from drift_days import write_days
from report_output import DAY, FIRST, HOSTILE, STEP, write_output

from aedetect.evaluation import KnownAnomalies
from aedetect.report import PageFacts, read_page, write_page
from aedetect.report.cards import ColumnLine
from aedetect.report.facts import SensorGrade
from aedetect.report.lines import Line
from aedetect.report.page import with_facts
from aedetect.scoring.maintenance import Interval

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
SCALE = "document.querySelector('#lanes-plot svg').getScreenCTM().d"  # of heights
UNITS = tuple(f"pump {number:02d}" for number in range(30))
FAULTS = (
    ("pump 07", 1, 30, 6),
    ("pump 08", 1, 30, 6),
    ("pump 07", 2, 100, 1),
    ("pump 21", 0, 60, 2),
)


def make_page(folder, names, faults, **facts):
    """Write a page with a slow fault, lines of a column, and grades; return its address."""
    output = write_output(folder / "output", names=names, faults=faults, column=facts.pop("column"))
    slow, *others = dict.fromkeys((faults[0][0], *names))
    write_days(output, [0.0, 3.0, 3.0], [1.0, 3.0, 2.8], moving=(slow,), others=others)
    page = read_page(output, PageFacts(model="plant/1", **facts))
    time = FIRST + DAY + np.arange(90) * STEP
    values = {name: np.linspace(1, 9, 90) for name in ("observed", "expected", "low", "high")}
    line = ColumnLine(name="temp", unit="degC", line=Line(time=time, values=values))
    cards = [replace(page.cards[0], columns=(line,)), *page.cards[1:]]
    more = replace(
        page.facts,
        maintenance=(Interval(FIRST, FIRST + 9 * STEP, "", "oil"),),
        sensors=(SensorGrade(name="temp", grade="Low", reason="one value"),),
        known=(
            KnownAnomalies(names[0], FIRST, FIRST + STEP),
            KnownAnomalies(faults[0][0], FIRST + DAY, FIRST + DAY + 40 * STEP),
        ),
    )
    write_page(with_facts(page, more, cards), folder / "page.html")
    return (folder / "page.html").as_uri()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page of thirty pumps with four events, two of which began together."""
    folder = tmp_path_factory.mktemp("browser")
    return make_page(folder, UNITS, FAULTS, detector="plant", config="p.toml", column="temp")


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests."""
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser):
    """Open an address; at the end nothing was said on the console and nothing was asked for."""
    contexts, said, asked = [], [], []

    def open_page(address, *, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert len(asked) == len(contexts)
    assert all(url.startswith("file:") for url in asked)


def shown(page):
    """Return the ids of the events that the filter leaves, those in folded incidents too."""
    left = "found => found.filter(each => !each.closest('[hidden]')).map(each => each.dataset.id)"
    return page.eval_on_selector_all(".event", left)


def resize(page, width):
    """Give the page another width; return when it has drawn itself anew, which is not at once."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function("width => innerWidth === width", arg=width)
    frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    page.evaluate(frame)


def open_all(page):
    """Open whatever is folded, from the outside in."""
    for summary in page.query_selector_all("summary"):
        summary.click()


def test_a_click_on_a_cell_filters_the_events(open_page, address):
    """The event of that cell stays, open, with its lines; Escape shows all again."""
    page = open_page(address)
    assert len(shown(page)) == 4
    mark = page.query_selector("#lanes-plot [data-event]")
    wanted, box = mark.get_attribute("data-event"), mark.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 1)
    assert shown(page) == [wanted]
    assert page.inner_text("#shown").startswith("1 of 4 events shown: pump")
    assert page.query_selector(f"#e-{wanted}").get_attribute("open") is not None
    page.wait_for_selector(f"#e-{wanted} canvas")
    page.focus("#lanes-plot")
    page.keyboard.press("Escape")
    assert len(shown(page)) == 4


def test_a_drag_over_the_overall_lane_chooses_a_range(open_page, address):
    """Of all entities; the fields of the filter show it."""
    page = open_page(address)
    box = page.query_selector("#lanes-plot svg").bounding_box()
    page.mouse.move(box["x"] + 1, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3 - 5, box["y"] + 5, steps=4)
    page.mouse.up()
    assert len(shown(page)) == 1
    assert page.input_value("#filter [name=from]") == "2026-01-01T00:00"
    assert page.input_value("#filter [name=lane]") == ""


def test_a_keyboard_is_enough(open_page, address):
    """Arrows move the cell, Enter filters, names of lanes are buttons, summaries open events."""
    page = open_page(address)
    page.focus("#lanes-plot")
    for key in ("ArrowDown", "Home", "Shift+End", "Enter"):
        page.keyboard.press(key)
    first = page.inner_text(".names button:nth-child(2)")
    assert page.inner_text("#shown").endswith("2026-01-04 00:00")
    assert first in page.inner_text("#shown")
    assert len(shown(page)) == 2
    page.focus(".event:visible summary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".event[open] canvas")


def test_fields_filter_too(open_page, address):
    """By entity and severity; the button shows all."""
    page = open_page(address)
    page.select_option("#filter [name=lane]", label="pump 21")
    assert len(shown(page)) == 1
    page.select_option("#filter [name=severity]", "critical")
    expected = page.query_selector_all(".event[data-severity=critical]:visible")
    assert len(shown(page)) == len(expected)
    page.click("#filter button[type=reset]")
    assert len(shown(page)) == 4


def test_what_is_below_is_filtered_as_well(open_page, address):
    """Labelled anomalies and the table of lanes show the entity that is chosen."""
    page = open_page(address)
    for name in ("The lanes as a table", "Labelled anomalies"):
        page.click(f"summary:has-text('{name}')")
    page.select_option("#filter [name=lane]", label="pump 07")
    for table in ("Lanes as a table", "Labelled anomalies"):
        rows = page.query_selector_all(f"[aria-label='{table}'] tbody tr:visible")
        assert [row.query_selector("th").inner_text() for row in rows] == ["pump 07"]


def test_an_incident_is_one_card_with_its_members_inside(open_page, address):
    """It opens by a click or a key, and by a filter or an address that names a member."""
    page = open_page(address)
    incident = page.query_selector(".together")
    members = [each.get_attribute("data-id") for each in incident.query_selector_all(".event")]
    assert len(members) == 2
    visible = ".together .event:visible"
    assert page.query_selector_all(visible) == []
    page.focus(".together > summary")
    page.keyboard.press("Enter")
    assert len(page.query_selector_all(visible)) == 2
    page.keyboard.press("Enter")
    page.select_option("#filter [name=lane]", label="pump 08")
    assert len(page.query_selector_all(visible)) == 1
    page.select_option("#filter [name=lane]", label="pump 21")
    assert not incident.is_visible()
    page = open_page(f"{address}#e-{members[1]}")
    page.wait_for_selector(f"#e-{members[1]}[open] summary:focus")


def test_an_address_with_an_event_opens_it(open_page, address):
    """As messages link to it."""
    page = open_page(address)
    last = shown(page)[-1]
    page = open_page(f"{address}#e-{last}")
    page.wait_for_selector(f"#e-{last}[open] summary:focus")


def test_more_lanes_are_shown_when_asked(open_page, address):
    """The worst come first; an incident joins its lanes."""
    page = open_page(address)
    assert len(page.query_selector_all(".names button")) == 26
    assert len(page.query_selector_all("#lanes-plot .incident")) == 1
    page.click("#more-lanes")
    assert len(page.query_selector_all(".names button")) == 31


def test_commands_are_copied_by_a_click(open_page, address):
    """The clipboard then holds the command."""
    page = open_page(address, permissions=["clipboard-read", "clipboard-write"])
    page.click(".event:visible summary")
    page.click(".event[open] button.copy")
    page.wait_for_function(
        "document.querySelector('.event[open] button.copy').textContent=='Copied'"
    )
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"aedetect label p\.toml \w{12} --confirmed", copied)


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_it_is_accessible_and_fits(open_page, address, width, scheme):
    """By the rules of axe, contrast included; nothing is wider than the screen."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(address, width=width, color_scheme=scheme, bypass_csp=True)
    open_all(page)
    found = axe.Axe().run(page).response
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]] == []
    assert len(found["passes"]) > 20
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_names_stay_text(open_page, tmp_path):
    """No script of theirs runs, and they are shown as they are."""
    faults = [(name, 0, 20 + 9 * at, 3) for at, name in enumerate(HOSTILE)]
    address = make_page(
        tmp_path, HOSTILE, faults, detector=HOSTILE[0], config=HOSTILE[1], column=HOSTILE[1]
    )
    page = open_page(address, width=390)
    open_all(page)
    assert page.evaluate("window.hacked") is None
    assert page.inner_text("h1") == HOSTILE[0]
    assert HOSTILE[0] in page.inner_text(".names")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_slow_fault_is_seen_first_and_leads_to_its_events(open_page, address):
    """On a phone, too: a line within its frame, and a link that opens the most severe event."""
    page = open_page(address, width=390)
    assert page.inner_text(".lead").startswith("Slow fault: pump 07 since 2026-01-02. ")
    top = page.evaluate("document.querySelector('#faults').offsetTop")
    assert top < page.evaluate("document.querySelector('#lanes').offsetTop")
    frame = page.query_selector(".daily").bounding_box()
    points = [each.bounding_box() for each in page.query_selector_all(".daily i")]
    assert len(points) == 3
    assert all(frame["x"] <= each["x"] <= frame["x"] + frame["width"] for each in points)
    assert all(frame["y"] <= each["y"] <= frame["y"] + frame["height"] for each in points)
    link = page.query_selector("#faults a")
    link.click()
    page.wait_for_selector(f"{link.get_attribute('href')}[open]")
    page.select_option("#filter [name=lane]", label="pump 21")
    assert not page.is_visible(".fault")


def test_it_prints(open_page, address):
    """On light paper whatever the screen, with lanes and lines and without controls."""
    page = open_page(address, color_scheme="dark")
    page.click(".event:visible summary")
    page.emulate_media(media="print", color_scheme="dark")
    resize(page, 700)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.is_visible("#filter")
    bottom = "found => found.at(-1).getBoundingClientRect().bottom"
    lanes = page.eval_on_selector_all("#lanes-plot svg", bottom)
    assert lanes > page.eval_on_selector_all(".names button", bottom)
    size = page.evaluate(SCALE)
    assert size == pytest.approx(1)  # a lane is as high as its name, however narrow the paper
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(page.query_selector_all(".together .event:visible")) == 2
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.query_selector_all(".together .event:visible") == []
    assert page.pdf()[:5] == b"%PDF-"
