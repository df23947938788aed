"""What a scoring run tells of a slow fault: one alert, which is sent once and ends with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drift_days import write_days

from aedetect.delivery import receivers, send_alerts
from aedetect.events import Formation
from aedetect.events.settings import EventSettings
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
    return with_shifts(summary, job).summary


def test_a_slow_fault_is_sent_once_and_ends(tmp_path, receiver):
    """It stands while the scores are beyond their limit, also on a quieter day."""
    to = receivers([receiver.url], [receiver.url])
    told = []
    for times in ([1.0], [1.4], [3.0], [1.6], [1.6], [1.0]):
        write_days(tmp_path, [0.0], times, first=len(told))
        alerts = run_of(tmp_path).alerts
        told.append(FAULT in alerts)
        send_alerts(tmp_path, to, alerts, detector="pumps")
    assert told == [False, False, True, True, True, False]
    assert receiver.titles == [f"pumps: {FAULT}"]


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
