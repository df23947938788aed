"""What a scoring run tells of a slow fault: one alert, which is sent once and ends with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drift_days import write_days

from aedetect.delivery import receivers, send_alerts
from aedetect.events import Formation
from aedetect.events.settings import EventSettings
from aedetect.jobs.alert_ends import ends_of_alerts
from aedetect.jobs.scoring_stages import ScoringJob
from aedetect.jobs.shifts import with_shifts
from aedetect.scoring import Model, Plan, Summary
from aedetect.scoring.outcome import PeriodOutcome
from aedetect.scoring.run_log import write_run

FAULT = "slow fault: pump"
LEVEL = "level has shifted: pump"
OUTCOME = PeriodOutcome(
    period=7, days=7, entity=None, together=True, rows=4_000, flagged=400, share=0.1, low=0.05,
    high=0.2, promise=0.01,
)  # fmt: skip
BEGUN = "2026-01-09T06:00:00+00:00"


def run_of(output, *, scored=True, **known):
    """What a run that knows so much of its verdicts says in the end."""
    return finished(output, scored=scored, **known)[0]


def finished(output, *, scored=True, **known):
    """Return its summary, and what it says of alerts that are over."""
    summary = Summary(
        status="done", model="pumps/1", output=str(output), partitions=int(scored), started=BEGUN,
        **known,
    )  # fmt: skip
    job = ScoringJob(
        model=Model(folder="", name="pumps", version=1),
        plan=Plan((), (), (), 0),
        output=output,
        formation=Formation(detector="pumps", by="day", settings=EventSettings()),
        summary=summary,
        asked=False,
    )
    done = with_shifts(summary, job)
    return done.summary, ends_of_alerts(done.summary, job, done.shifts)


def test_a_slow_fault_is_sent_once_and_ends(tmp_path, receiver):
    """It stands while the scores are beyond their limit, also on a quieter day."""
    to = receivers([receiver.url], [receiver.url])
    told = []
    for times in ([1.0], [1.4], [3.0], [1.6], [1.6], [1.0]):
        write_days(tmp_path, [0.0], times, first=len(told))
        summary, ended = finished(tmp_path)
        told.append(FAULT in summary.alerts)
        send_alerts(tmp_path, to, summary.alerts, detector="pumps", ended=ended)
    assert told == [False, False, True, True, True, False]
    assert receiver.titles == [f"pumps: {FAULT}", f"pumps: over: {FAULT}"]
    assert receiver.messages[1]["message"] == (
        "pump: over since 2026-01-06, score 1 times its calibration (3 before; up to 1.5 is usual)"
    )


@pytest.mark.parametrize(
    ("after", "over"),
    [
        ([1.3], ""),  # within the limit, but no second day
        ([1.3, 1.3], "2026-01-05"),
        ([1.3, 3.0, 3.0], ""),  # back before it was told
        ([1.1], "2026-01-05"),  # at once within half of it
    ],
)
def test_it_ends_as_it_begins(tmp_path, receiver, after, over):
    """On the second day within the limit; what comes back before that is told neither way."""
    to = receivers([receiver.url], [receiver.url])
    write_days(tmp_path, [0.0] * 3, [1.0, 3.0, 3.0])
    for at, times in enumerate([3.0, *after]):
        write_days(tmp_path, [0.0], [times], first=3 + at)
        summary, ended = finished(tmp_path)
        send_alerts(tmp_path, to, summary.alerts, detector="pumps", ended=ended)
    assert receiver.titles == [f"pumps: {FAULT}"] + [f"pumps: over: {FAULT}"] * bool(over)
    assert f"over since {over}" * bool(over) in receiver.messages[-1]["message"]


def test_a_day_that_is_not_over_ends_nothing(tmp_path):
    """The first hours of a morning say nothing yet; nor does an entity without rows, for a week."""
    write_days(tmp_path, [0.0] * 3, [1.0, 3.0, 3.0])
    write_days(tmp_path, [0.0], [1.0], first=3, rows=30)
    assert finished(tmp_path)[1](FAULT) is None
    write_days(tmp_path, [0.0] * 7, [1.0] * 7, first=3, moving=())
    assert finished(tmp_path)[1](FAULT) is None
    write_days(tmp_path, [0.0], [1.0], first=10, moving=())
    assert finished(tmp_path)[1](FAULT) == "pump: no rows since 2026-01-03"


def test_a_fault_of_one_may_become_a_shift_of_many(tmp_path):
    """Then it is over as an alert, and the message says what it is now."""
    write_days(tmp_path, [0.0] * 4, [1.0, 3.0, 3.0, 3.0], moving=("pump", "fan", "mill", "saw"))
    summary, ended = finished(tmp_path)
    assert FAULT not in summary.alerts
    assert ended(FAULT).startswith("pump: by now 4 entities together: shift, score 3 times")


def test_another_version_has_not_seen_it(tmp_path):
    """It scores days of its own."""
    write_days(tmp_path, [0.0] * 2, [1.0, 1.0])
    assert (
        finished(tmp_path)[1](FAULT) == "pump: pumps/1 scores since 2026-01-01, and has not seen it"
    )


def test_an_alert_that_another_stands_for_is_no_good_news(tmp_path):
    """The slow fault of an entity takes the place of its shift of level, and of its promise."""
    write_days(tmp_path, [0.0] * 3, [1.0, 3.0, 3.0])
    _, ended = finished(tmp_path)
    assert (
        ended(LEVEL) == ended("promise not kept: pump") == "pump: from now on told as a slow fault"
    )


def test_it_stands_for_other_alerts_of_the_same_entity(tmp_path):
    """Level and promise of others are told as before; those of all are explained by the fault."""
    write_days(tmp_path, [0.0] * 3, [1.0, 3.0, 3.0])
    own = replace(OUTCOME, entity="pump", together=False, rows=1_000, flagged=390)
    others = {"stale data": "old", "level has shifted: fan": "fan: in alarm"}
    alerts = others | {
        LEVEL: "pump: in alarm",
        "promise not kept: pump": "",
        "promise not kept": "",
    }
    found = run_of(tmp_path, alerts=alerts, outcome=(OUTCOME, own))
    assert set(found.alerts) == {*others, FAULT}
    mill = replace(own, entity="mill")
    found = run_of(tmp_path, alerts=alerts, outcome=(OUTCOME, own, mill))
    assert set(found.alerts) == {*others, FAULT, "promise not kept: mill"}


@pytest.mark.parametrize(
    ("later", "repeated"),
    [((), True), ((("reflag", "done"), ("score", "failed")), True), ((("score", "done"),), False)],
)
def test_a_run_without_news_repeats_it(tmp_path, later, repeated):
    """Else it would be over; the last run that could tell says whether there is one."""
    write_days(tmp_path, [0.0] * 3, [1.0, 3.0, 3.0])
    write_run(tmp_path, run_of(tmp_path), run_id="first")
    for at, (command, status) in enumerate(later):
        after = Summary(
            status=status, model="pumps/1", output="", command=command,
            started=f"2026-01-1{at}T06:00:00+00:00",
        )  # fmt: skip
        write_run(tmp_path, after, run_id=f"{command}-{at}")
    assert (FAULT in run_of(tmp_path, scored=False).alerts) == repeated
