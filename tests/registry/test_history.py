"""The history of promotions, on a real MLflow with SQLite."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aedetect.errors import RegistryError, UnknownModel
from aedetect.registry import find_version, list_versions, promote_version, register_version
from aedetect.registry.history import (
    Decision,
    Promotion,
    champions_of,
    forced_before,
    forced_promotion,
)
from aedetect.registry.promotions import read_promotions, rollback_version
from aedetect.registry.records import TrainingRecord

PUMP = TrainingRecord(
    name="pump",
    variant="pca",
    parameters={},
    epochs=[],
    metrics={},
    data_source="train.parquet",
    data_fingerprint="f" * 64,
    data_columns={"time": "timestamp", "a": "number"},
    config_hash="c0ffee",
    tags={"trained_from": "2026-01-01", "trained_until": "2026-02-01", "rows": "9"},
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BACK = Decision(action="rollback", by="ada@server", at=NOON)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What stands for a saved detector."""
    folder = tmp_path_factory.mktemp("saved") / "detector"
    folder.mkdir()
    (folder / "detector.json").write_bytes(b"{}")
    return folder


@pytest.fixture(scope="module")
def uri(tmp_path_factory, folder):
    """A registry with four versions, the first of which is the champion."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db"
    for number in range(4):
        record = replace(PUMP, variant=f"variant {number}")
        register_version(folder, record=record, tracking_uri=uri)
    return uri


def promote(uri, number, **decision):
    """Promote a version."""
    version = find_version(f"pump/{number}", tracking_uri=uri)
    decided = Decision(by="ada@server", at=NOON, **decision)
    return promote_version(version, tracking_uri=uri, decision=decided)


def history(uri):
    """The entries as text."""
    entries = read_promotions("pump", tracking_uri=uri)
    return [f"{each.action} {each.before} -> {each.version}" for each in entries]


def entry(action, version, before):
    """An entry of a history."""
    return Promotion(
        number=1,
        at=NOON,
        by="ada@server",
        action=action,
        version=version,
        before=before,
        why="",
        trained={},
        code="1",
    )


@pytest.mark.parametrize(
    ("entries", "champion", "line"),
    [
        ([], None, []),
        ([], 3, [3]),
        ([("first", 1, None), ("promoted", 2, 1)], 2, [1, 2]),
        ([("promoted", 3, 2)], 3, [2, 3]),  # older versions came before the history
        ([("first", 1, None), ("promoted", 3, 1), ("rollback", 1, 3)], 1, [1]),
        ([("first", 1, None), ("promoted", 2, 1), ("promoted", 1, 2)], 1, [1, 2, 1]),
        ([("first", 1, None)], 4, [1, 4]),  # chosen in MLflow
        ([("first", 1, None), ("promoted", 3, 2)], 3, [1, 2, 3]),  # 2 was chosen in MLflow
        (
            [("first", 1, None), ("promoted", 2, 1), ("rollback", 1, 2), ("rollback", 1, 2)],
            1,
            [1],
        ),  # two at the same time
    ],
)
def test_the_line_of_champions_follows_from_the_history(entries, champion, line):
    """Promotions make it longer, a rollback takes back what came since."""
    assert champions_of([entry(*each) for each in entries], champion) == line


def test_who_goes_back_to_a_forced_version_is_told():
    """A challenger that replaced it was better than it, and the version before better than both."""
    forced = entry("forced", 4, 3)
    entries = [entry("first", 3, None), forced, entry("automatic", 5, 4), entry("rollback", 4, 5)]
    assert forced_promotion(entries, 4) == forced
    assert forced_promotion(entries, 3) is None
    assert forced_promotion([*entries, entry("promoted", 4, 3)], 4) is None


def test_a_rollback_passes_over_what_was_promoted_by_force(tmp_path, folder):
    """Unless nothing else was champion before."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for number in range(4):
        register_version(folder, record=replace(PUMP, variant=f"v {number}"), tracking_uri=uri)
    promote(uri, 2, action="automatic")
    promote(uri, 3, action="forced")
    promote(uri, 4, action="automatic")
    assert rollback_version("pump", tracking_uri=uri, decision=BACK).version == 2
    assert forced_before(read_promotions("pump", tracking_uri=uri)) == [3]
    assert rollback_version("pump", tracking_uri=uri, decision=BACK).version == 1
    assert forced_before(read_promotions("pump", tracking_uri=uri)) == []


def test_without_another_one_a_rollback_goes_to_a_forced_version(tmp_path, folder):
    """People chose it once."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for _ in range(2):
        register_version(folder, record=PUMP, tracking_uri=uri)
    promote(uri, 2, action="forced")
    promote(uri, 1, action="forced")
    assert rollback_version("pump", tracking_uri=uri, decision=BACK).version == 2


def test_the_life_of_a_detector_is_on_record(uri):
    """From the first version on: promotions, forced ones, and rollbacks that go further back."""
    assert history(uri) == ["first None -> 1"]
    promote(uri, 2, why="newer data")
    promote(uri, 2, why="once more")  # the champion already
    promote(uri, 4, action="forced", why="the pump was replaced")
    entries = [rollback_version("pump", tracking_uri=uri, decision=BACK) for _ in range(2)]
    assert [each.version for each in entries] == [2, 1]
    with pytest.raises(RegistryError, match="a champion before pump/1, but the history has none"):
        rollback_version("pump", tracking_uri=uri, decision=BACK)
    assert history(uri) == [
        "first None -> 1",
        "promoted 1 -> 2",
        "forced 2 -> 4",
        "rollback 4 -> 2",
        "rollback 2 -> 1",
    ]
    assert find_version("pump", tracking_uri=uri).version == 1
    second = read_promotions("pump", tracking_uri=uri)[1]
    assert (second.by, second.at, second.why) == ("ada@server", NOON, "newer data")
    assert second.trained == {
        "trained_from": "2026-01-01",
        "trained_until": "2026-02-01",
        "rows": "9",
        "data_fingerprint": "f" * 64,
        "config_hash": "c0ffee",
    }


def test_a_deleted_champion_is_passed_over(tmp_path, folder):
    """A rollback returns to the newest champion that still exists."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for number in range(3):
        register_version(folder, record=replace(PUMP, variant=str(number)), tracking_uri=uri)
    promote(uri, 2)
    promote(uri, 3)
    MlflowClient(uri, registry_uri=uri).delete_model_version("pump", "2")
    assert rollback_version("pump", tracking_uri=uri, decision=BACK).version == 1


def test_a_champion_chosen_in_mlflow_is_one(tmp_path, folder):
    """A rollback returns to the last one that the history knows."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for number in range(2):
        register_version(folder, record=replace(PUMP, variant=str(number)), tracking_uri=uri)
    MlflowClient(uri, registry_uri=uri).set_registered_model_alias("pump", "champion", "2")
    entry = rollback_version("pump", tracking_uri=uri, decision=BACK)
    assert (entry.before, entry.version) == (2, 1)


def test_nothing_registered_has_no_history(uri, tmp_path):
    """It is empty, and there is nothing to return to."""
    absent = f"sqlite:///{tmp_path}/none.db"
    for name, where in (("pump", absent), ("pomp", uri)):
        assert read_promotions(name, tracking_uri=where) == []
        with pytest.raises(UnknownModel, match=f"{name} has none: run `aedetect train"):
            rollback_version(name, tracking_uri=where, decision=BACK)


PROMOTE = """
import sys
from aedetect.registry import find_version, promote_version
from aedetect.registry.history import Decision

uri, number = sys.argv[1:]
version = find_version(f"pump/{number}", tracking_uri=uri)
print("ready", flush=True)
sys.stdin.readline()
decision = Decision(by=f"process {number}")
print(promote_version(version, tracking_uri=uri, decision=decision).version)
"""


def test_promotions_at_the_same_time_are_all_on_record(tmp_path, folder):
    """One of them is in effect: the last of the history, whoever wrote it."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for number in range(4):
        register_version(folder, record=replace(PUMP, variant=str(number)), tracking_uri=uri)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROMOTE, uri, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in (2, 3, 4)
    ]
    for each in processes:
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in processes:
        each.communicate()
        assert each.returncode == 0
    entries = read_promotions("pump", tracking_uri=uri)
    assert sorted(each.by for each in entries[1:]) == ["process 2", "process 3", "process 4"]
    (champion,) = [
        each.version
        for each in list_versions(name="pump", tracking_uri=uri)
        if "champion" in each.aliases
    ]
    assert champion == entries[-1].version
