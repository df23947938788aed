"""Runs that fell due while nothing ran."""

from __future__ import annotations

from datetime import UTC, datetime

from runs import deployed, missed, run_of, states

from pipelines.missed_runs import due, skip_all_but_newest, skip_others


def test_all_but_the_newest_are_skipped(client):
    """Of five missed runs one is left to start, and the others say who does their work."""
    deployment = deployed(client, "late")
    missed(client, deployment, days=5)
    newest = due(client, deployment, now=datetime.now(UTC))[0]
    assert skip_all_but_newest(client, deployment, now=datetime.now(UTC)) == 4
    skipped = ("Skipped", f"{newest.name} does the work of this run too")
    assert states(client, deployment)[1:] == [skipped] * 4
    assert states(client, deployment)[0][0] in {"Scheduled", "Late"}
    assert skip_all_but_newest(client, deployment, now=datetime.now(UTC)) == 0


def test_no_missed_run_is_no_work(client):
    """A deployment that is new has missed nothing."""
    assert skip_all_but_newest(client, deployed(client, "new"), now=datetime.now(UTC)) == 0


def test_run_that_somebody_asked_for_is_never_skipped(client):
    """Neither with parameters of its own, nor with those of the schedule."""
    deployment = deployed(client, "asked")
    missed(client, deployment, days=3)
    run_of(client, deployment, rescore=True)
    mine = run_of(client, deployment)
    assert skip_others(client, mine, now=datetime.now(UTC)) == 3
    assert [name for name, _ in states(client, deployment)[:2]] == ["Scheduled", "Scheduled"]


def test_run_with_other_parameters_does_not_do_the_work(client):
    """A run of some days only leaves the missed runs to others."""
    deployment = deployed(client, "part")
    missed(client, deployment, days=2)
    mine = run_of(client, deployment, since="2026-01-01", rescore=True)
    assert skip_others(client, mine, now=datetime.now(UTC)) == 0


def test_runs_of_other_detectors_are_their_own(client):
    """One deployment says nothing about another."""
    ours, theirs = deployed(client, "ours"), deployed(client, "theirs")
    missed(client, theirs, days=2)
    assert skip_others(client, run_of(client, ours), now=datetime.now(UTC)) == 0
