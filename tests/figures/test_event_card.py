"""The picture of one event."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from report_output import DAY, FIRST, HOSTILE, STEP, write_output

from aedetect.figures.canvas import save_figure
from aedetect.figures.event_card import draw_event_card, mark_time
from aedetect.report import PageFacts, read_page
from aedetect.report.cards import ColumnLine
from aedetect.report.lines import Line
from aedetect.wall_clock import WallClock


@pytest.mark.parametrize("name", ["temp", "$\\frac{1", *HOSTILE])
def test_names_are_text(tmp_path, name):
    """Whatever is in them: no formula is read, and the picture is drawn."""
    output = write_output(tmp_path / "output", names=(name,), days=2, faults=[(name, 1, 30, 5)])
    card = read_page(output, PageFacts(detector="d", config="c", model="m/1")).cards[0]
    time = FIRST + DAY + np.arange(90) * STEP
    line = Line(
        time=time, values=dict.fromkeys(("observed", "expected", "low", "high"), time / DAY)
    )
    column = ColumnLine(name=name, unit="$", line=line)
    figure = draw_event_card(replace(card, columns=(column,)), WallClock())
    with Image.open(save_figure(figure, tmp_path / "card.png")) as picture:
        assert picture.size == (800, 410)


def test_lines_lie_where_the_clock_shows_them(tmp_path):
    """In the zone of the table, score and event alike."""
    output = write_output(tmp_path / "output", faults=[("west", 1, 30, 5)])
    card = read_page(output, PageFacts(detector="d", config="c", model="m/1")).cards[0]
    figure = draw_event_card(card, WallClock("+05:30"))
    score = figure.axes[0].lines[1].get_xdata()
    first = np.datetime64(int(card.scores.time[0]), "ns") + np.timedelta64(330, "m")
    assert np.asarray(score, dtype="datetime64[ns]")[0] == first


@pytest.mark.parametrize(
    "minutes", [0.05, 1, 4, 30, 100, 200, 250, 290, 1_000, 5_000, 20_000, 10**6]
)
def test_any_length_of_time_has_round_marks(minutes):
    """Without a warning of matplotlib, which stood in the log for pictures of four hours."""
    figure = Figure()
    panel = figure.add_subplot()
    start = np.datetime64("2026-01-03T05:00:00", "ms")
    panel.plot(start + np.array([0, round(minutes * 60_000)], "timedelta64[ms]"), [0, 1])
    mark_time(panel)
    figure.draw_without_rendering()
    assert 2 <= len(panel.get_xticklabels()) <= 9
