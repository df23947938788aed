"""What notebooks show: complete, small, without scripts, and safe whatever the names are."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pandas as pd
import pytest

import aedetect

EVIL = "<script>alert(1)</script>\"'&$x$"
LINEAR = {
    "model": {"variant": "linear"},
    "window": {"length": 4},
    "training": {"epochs": 3, "device": "cpu"},
    "calibration": {"false_alarm_rate": 0.02, "shapes": 0.0},
}
VOID = {"br"}


class Parsed(HTMLParser):
    """Tags and text of HTML; what is not closed is an error."""

    def __init__(self, text):
        """Parse a text."""
        super().__init__()
        self.opened, self.tags, self.texts, self.attributes = [], [], [], []
        self.feed(text)
        self.close()
        assert self.opened == []

    def handle_starttag(self, tag, attrs):
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note a tag without content."""
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag):
        """Check that it closes the last one."""
        assert self.opened.pop() == tag

    def handle_data(self, data):
        """Note text."""
        self.texts.append(data)

    @property
    def text(self):
        """All text."""
        return " ".join("".join(self.texts).split())


@pytest.fixture(scope="module")
def frame(make_frame):
    """Two units; a column, an entity and the name of the timestamp are hostile."""
    table = make_frame(rows=400)
    return table.rename(columns={"b": EVIL, "unit": f"unit{EVIL}"}).replace({"east": EVIL})


@pytest.fixture(scope="module")
def fitted(frame):
    """A detector of that frame."""
    return aedetect.fit(frame, timestamp="time", entity=f"unit{EVIL}", **LINEAR)


@pytest.fixture(scope="module")
def faulty(frame):
    """The rows with a fault in the hostile column of the hostile entity."""
    table = frame.copy()
    table.loc[table.index[200:210], EVIL] += 40.0  # of the first unit
    return table


@pytest.fixture(scope="module")
def report(fitted, faulty):
    """The report of the rows with the fault."""
    return fitted.report(faulty, units={EVIL: "m<s"})


def checked(shown, *, most):
    """Parse what a notebook shows; it has no scripts, and names are text."""
    parsed = Parsed(shown)
    assert not {"script", "style", "link", "iframe", "img"} & set(parsed.tags)
    assert not [name for name in parsed.attributes if name.startswith("on")]
    assert "http" not in shown
    assert EVIL in parsed.text
    assert len(shown.encode()) < most
    return parsed


def test_a_detector_shows_what_it_is(fitted):
    """Its training, its promise and its columns."""
    shown = checked(fitted._repr_html_(), most=10_000)
    assert "linear autoencoder, windows of 4 rows" in shown.text
    assert "every 1min" in shown.text
    assert "2 known" in shown.text
    assert "no promise (2% of normal rows aimed at)" in shown.text
    assert "2 columns and their range in training" in shown.text


def test_events_of_a_frame_are_those_of_a_run(fitted, faulty, report):
    """One for the fault, with its sentence, unit and causes."""
    events = fitted.events(faulty, units={EVIL: "m<s"})
    assert isinstance(events, aedetect.Events)
    worst = events.iloc[0]
    assert worst["entity"] == EVIL
    assert worst["start"] == faulty["time"].iloc[200]
    assert worst["causes"][0]["feature"] == EVIL
    assert "m<s" in worst["text"]
    pd.testing.assert_frame_equal(report.events, events)
    shown = checked(events._repr_html_(), most=50_000)
    assert worst["text"] in shown.text
    assert shown.tags.count("details") == len(events)
    checked(events.head(1)._repr_html_(), most=5_000)
    assert "details" not in events[["start", "text"]]._repr_html_()  # a plain table
    assert "no events" in events.head(0)._repr_html_()


def test_settings_of_events_are_taken(fitted, faulty):
    """A duration that no event reaches suppresses all."""
    settings = {"min_duration": "1d"}
    assert len(fitted.events(faulty, settings=settings)) == 0
    assert len(fitted.events(faulty, settings=settings, suppressed=True)) > 0
    with pytest.raises(aedetect.ConfigError, match='did you mean "merge_gap"'):
        fitted.events(faulty, settings={"mergegap": "1h"})


def test_a_report_shows_lanes_and_events_with_lines(report, tmp_path):
    """And is written as the page of the command line."""
    shown = checked(report._repr_html_(), most=200_000)
    assert shown.tags.count("svg") > 3
    assert report.sentence in shown.text
    assert "score, and its threshold" in shown.text
    assert "in as much time before" not in report.sentence
    page = report.save(str(tmp_path / "page.html"))
    assert page.stat().st_size > 100_000
    assert repr(report).startswith("<Report ")


def test_a_report_of_files_is_that_of_the_command_line(plant):
    """Of a configuration, with its own path in the commands."""
    with pytest.raises(aedetect.NoData, match="run `aedetect score CONFIG` first"):
        aedetect.read_report(plant.config())
    path = plant.written()
    aedetect.score(path)
    report = aedetect.read_report(path, until=datetime(2026, 1, 6))
    pd.testing.assert_frame_equal(report.events, aedetect.read_events(path, until="2026-01-06"))
    Parsed(report._repr_html_())


def test_a_plot_draws_the_worst_series(fitted, faulty):
    """With the threshold, the flagged rows and the column to blame; the title is no formula."""
    figure = fitted.plot(faulty)
    scores, blamed, *_ = figure.axes
    assert figure.get_suptitle().startswith(EVIL)
    assert blamed.get_title(loc="left").startswith(EVIL[:20])
    assert len(scores.patches) > 0  # shaded
    figure.savefig(drawn := BytesIO())
    assert len(drawn.getvalue()) > 10_000


def test_a_plot_has_a_fixed_number_of_points(make_frame, fitted, frame):
    """Whatever the number of rows; the largest value is among them."""
    many = make_frame(rows=20_000, units=("west",))
    many = many.set_axis(list(frame.columns), axis=1)
    many.loc[17_777, "a"] = 99.0
    (line, *_), (_, observed) = (axis.get_lines() for axis in fitted.plot(many, columns=["a"]).axes)
    assert len(line.get_xdata()) <= 1400
    assert len(observed.get_xdata()) <= 1400
    assert max(observed.get_ydata()) == 99.0


def test_a_plot_can_be_narrowed(fitted, faulty):
    """To a series, a time and columns; what is not there is refused."""
    start = faulty["time"].iloc[100]
    figure = fitted.plot(faulty, entity="west", since=start.to_pydatetime(), columns=0)
    (scores,) = figure.axes
    title = figure.get_suptitle()
    assert title.startswith("west: ")
    assert title.endswith(" of 300")
    assert len(scores.get_lines()[0].get_xdata()) == 300
    with pytest.raises(aedetect.DataError, match="no rows of the entity"):
        fitted.plot(faulty, entity="north")
    with pytest.raises(aedetect.DataError, match='"c" is no numeric feature'):
        fitted.plot(faulty, columns="c")
    with pytest.raises(aedetect.NoData, match="no rows with a timestamp"):
        fitted.plot(faulty, since="2030-01-01")


def test_a_pickle_is_the_saved_files(fitted, faulty):
    """No module of torch is pickled, and scores are the same to the bit."""
    content = pickle.dumps(fitted)
    assert b"torch" not in content.replace(b'"torch"', b"")  # its version is in detector.json
    for other in (pickle.loads(content), copy.deepcopy(fitted)):  # noqa: S301 - our own
        assert isinstance(other, aedetect.Detector)
        pd.testing.assert_frame_equal(other.score(faulty), fitted.score(faulty))


@pytest.mark.parametrize("method", ["events", "report", "plot"])
def test_a_frame_without_timestamps_is_refused(fitted, faulty, method):
    """As is one of another kind."""
    with pytest.raises(aedetect.NoData, match="timestamp"):
        getattr(fitted, method)(faulty.assign(time=pd.NaT).astype({"time": "datetime64[us]"}))
    with pytest.raises(aedetect.SchemaMismatch, match="convert it"):
        getattr(fitted, method)(faulty.assign(time=np.arange(len(faulty))))
    with pytest.raises(TypeError, match=r"must be a pandas\.DataFrame, got builtins\.list"):
        getattr(fitted, method)([])
