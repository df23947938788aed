"""Why alerts are over, in words that hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from verdict_files import event, write_events, write_scores

from aedetect.events import Formation
from aedetect.events.settings import EventSettings
from aedetect.jobs.alert_ends import ends_of_alerts
from aedetect.jobs.scoring_stages import ScoringJob
from aedetect.scoring import Model, Plan, Summary
from aedetect.scoring.outcome import PeriodOutcome

WEEK = PeriodOutcome(
    period=7, days=7, entity=None, together=True, rows=40_000, flagged=40, share=0.001, low=0.0005,
    high=0.002, promise=0.01, newest=0.002,
)  # fmt: skip
EAST = replace(WEEK, entity="east", together=False)
LEVEL = "level has shifted: east"


def ends(output, **known):
    """Return what a run says of alerts that are over."""
    summary = Summary(
        status="done", model="pump/2", calibration_version=3, output=str(output), **known
    )
    job = ScoringJob(
        model=Model(folder="", name="pump", version=2),
        plan=Plan((), (), (), 0),
        output=output,
        formation=Formation(detector="pump", by="day", settings=EventSettings()),
        summary=summary,
        asked=False,
    )
    return ends_of_alerts(summary, job, None)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            replace(WEEK, kept_since="2026-01-19"),
            "promise kept again since 2026-01-19: 0.2% of the rows of the last day",
        ),
        (
            replace(WEEK, eased_since="2026-01-19"),
            "below the alert since 2026-01-19: 0.2% of the rows of the last day",
        ),
        (WEEK, "no longer surely above the alert: in the last 7 days 0.1%"),
        (replace(WEEK, low=0.2, share=0.3), "what is left of it is of entities with alerts of"),
    ],
)
def test_a_promise_that_is_kept_again(tmp_path, found, text):
    """Since when, by which days and by which version; of all together and of an entity."""
    own = replace(found, entity="east", together=False)
    ended = ends(tmp_path, outcome=(found, own))
    assert ended("promise not kept").startswith(text)
    assert ended("promise not kept: east").startswith(f"east: {text}")
    assert ended("promise not kept: east").endswith("by pump/2, calibration 3")


def test_an_entity_that_is_not_listed_may_be_above(tmp_path):
    """Ten are listed, those first that are surely furthest above."""
    name = "promise not kept: west"
    few, many = (replace(WEEK, others=3, above=above) for above in (4, 11))
    assert ends(tmp_path, outcome=(few, EAST))(name) == (
        "west: no longer surely above the alert, by pump/2, calibration 3"
    )
    assert ends(tmp_path, outcome=(many, EAST))(name) is None


def test_no_day_of_a_new_version_counts_yet(tmp_path):
    """A promise is that of a version: what the one before broke is over with it."""
    assert "by pump/2, calibration 3" in ends(tmp_path)("promise not kept")


def test_a_level_that_is_no_longer_shifted(tmp_path):
    """From when until when, of the last such event; or why it is not reported any more."""
    day = "date=2026-01-03"
    shifted = event("e1", "2026-01-03T05:00:00") | {"text": "level has shifted: disk 3, not 1"}
    write_scores(tmp_path, day, "2026-01-03T12:00:00")
    write_events(tmp_path, day, [event("e0", "2026-01-03T04:00:00"), shifted])
    assert ends(tmp_path)(LEVEL) == (
        "east: in alarm from 2026-01-03T05:00:00 until 2026-01-03T05:10:00 (event e1)"
    )
    assert ends(tmp_path)("level has shifted: west").startswith("west: no event of it is left")
    write_events(tmp_path, day, [shifted | {"suppressed": "maintenance"}])
    assert ends(tmp_path)(LEVEL) == "east: event e1 is not reported any more (maintenance)"


def test_a_shift_of_level_stands_for_the_promise(tmp_path):
    """It goes on under another name."""
    told = ends(tmp_path, alerts={LEVEL: "in alarm"})("promise not kept: east")
    assert told == "east: from now on told as a shift of level"


def test_files_and_rows_that_are_back(tmp_path):
    """With how many of them."""
    ended = ends(tmp_path, files=3, unreadable=("a.parquet: damaged",), newest="2026-01-03", age=60)
    assert ended("no usable file") == "2 of 3 files can be scored"
    assert ended("stale data") == "rows arrive again: the newest is of 2026-01-03, 1min old"
    assert ended("something else") == "the last run came without it"
