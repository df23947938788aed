"""Runs that were due while nothing ran."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect.client.schemas.responses import OrchestrationResult
from runs import deployed, missed, run_of, states

from pipelines.missed_runs import due, skip_all_but_newest, skip_others
from pipelines.old_runs import delete_idle_runs


def test_all_but_the_newest_are_skipped(client):
    """Of five missed runs one remains, and the others name it."""
    deployment = deployed(client, "late")
    missed(client, deployment, days=5)
    newest = due(client, deployment, now=datetime.now(UTC))[0]
    assert skip_all_but_newest(client, deployment, now=datetime.now(UTC)) == 4
    due_at = f"{newest.expected_start_time:%Y-%m-%d %H:%M:%S}"
    skipped = ("Skipped", f"the run that was due at {due_at} UTC does the work of this run too")
    assert states(client, deployment)[1:] == [skipped] * 4
    assert states(client, deployment)[0][0] in {"Scheduled", "Late"}
    assert skip_all_but_newest(client, deployment, now=datetime.now(UTC)) == 0


def test_skipped_runs_are_named_and_leave_no_record(client):
    """They are deleted by the next run, like runs that found nothing new."""
    deployment = deployed(client, "gone-for-days")
    missed(client, deployment, days=3)
    newest, other, _ = due(client, deployment, now=datetime.now(UTC))
    assert skip_all_but_newest(client, deployment, now=datetime.now(UTC)) == 2
    assert client.read_flow_run(other.id).name == "gone-for-days, skipped"
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert delete_idle_runs(client, newest, now=later) == 2
    assert len(states(client, deployment)) == 1


def test_no_missed_run_is_no_work(client):
    """A new deployment has missed nothing."""
    assert skip_all_but_newest(client, deployed(client, "new"), now=datetime.now(UTC)) == 0


def test_triggered_run_is_never_skipped(client):
    """Neither with its own parameters, nor with those of the schedule."""
    deployment = deployed(client, "asked")
    missed(client, deployment, days=3)
    run_of(client, deployment, rescore=True)
    mine = run_of(client, deployment)
    assert skip_others(client, mine, now=datetime.now(UTC)) == 3
    assert [name for name, _ in states(client, deployment)[:2]] == ["Scheduled", "Scheduled"]


def test_run_with_other_parameters_does_not_do_the_work(client):
    """A run of a few days does not skip the missed runs."""
    deployment = deployed(client, "part")
    missed(client, deployment, days=2)
    mine = run_of(client, deployment, since="2026-01-01", rescore=True)
    assert skip_others(client, mine, now=datetime.now(UTC)) == 0


def test_runs_of_other_detectors_are_not_skipped(client):
    """Each deployment is separate."""
    ours, theirs = deployed(client, "ours"), deployed(client, "theirs")
    missed(client, theirs, days=2)
    assert skip_others(client, run_of(client, ours), now=datetime.now(UTC)) == 0


def test_more_missed_runs_than_a_page_are_all_skipped(client):
    """Prefect returns 200 runs at a time; one of 210 remains."""
    deployment = deployed(client, "long-away")
    missed(client, deployment, days=210)
    assert len(due(client, deployment, now=datetime.now(UTC))) == 210
    assert skip_all_but_newest(client, deployment, now=datetime.now(UTC)) == 209
    assert len(due(client, deployment, now=datetime.now(UTC))) == 1


class Refusing:
    """The client of a server that rejects every change of state."""

    def __init__(self, client):
        self.client = client
        self.asked = 0

    def __getattr__(self, name):
        return getattr(self.client, name)

    def set_flow_run_state(self, *_words, **_options):
        """Answer as Prefect does to a forbidden transition."""
        self.asked += 1
        forbidden = {"state": None, "status": "REJECT", "details": {"type": "reject_details"}}
        return OrchestrationResult.model_validate(forbidden)


def test_rejected_run_is_requested_once(client):
    """It does not change, does not count, and is not waited for."""
    deployment = deployed(client, "kept")
    missed(client, deployment, days=3)
    refusing = Refusing(client)
    assert skip_all_but_newest(refusing, deployment, now=datetime.now(UTC)) == 0
    assert refusing.asked == 2
    assert len(due(client, deployment, now=datetime.now(UTC))) == 3


class Deleting(Refusing):
    """The client of a server on which each run is deleted just before it is ended."""

    def set_flow_run_state(self, run_id, state, *, force):
        """Delete the run, then try to end it."""
        self.client.delete_flow_run(run_id)
        return self.client.set_flow_run_state(run_id, state, force=force)


def test_run_deleted_meanwhile_is_no_error(client):
    """The others are handled all the same."""
    deployment = deployed(client, "deleted")
    missed(client, deployment, days=3)
    assert skip_all_but_newest(Deleting(client), deployment, now=datetime.now(UTC)) == 0
    assert len(due(client, deployment, now=datetime.now(UTC))) == 1
