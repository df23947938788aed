"""A run waits for a registry that is unavailable for a short time, else it names it."""

from __future__ import annotations

import shutil
import time

import harm
import pytest
from plant import settings

from aedetect import registry
from aedetect.config import make_config
from aedetect.errors import RegistryError
from aedetect.jobs import training


@pytest.fixture
def registered(plant):
    """A plant with its own registry, which may be locked."""
    shutil.copytree(
        f"{plant.uri.removeprefix('sqlite:///').rpartition('/')[0]}", plant.folder / "r"
    )
    return plant, plant.folder / "r" / "mlflow.db"


def test_scoring_waits_for_a_database_that_another_program_holds(registered):
    """Two seconds of an exclusive lock delay the run by as much."""
    _, database = registered
    begin = time.monotonic()
    with harm.held(database, seconds=2):
        assert registry.find_version("plant", tracking_uri=f"sqlite:///{database}").version == 1
    assert time.monotonic() - begin > 1.5


def test_training_waits_for_a_database_that_another_program_holds(registered):
    """The training is registered when the lock is gone."""
    plant, database = registered
    given = settings(training={"epochs": 1}, registry={"tracking_uri": f"sqlite:///{database}"})
    with harm.held(database, seconds=2):
        _, version = training.run_training(make_config(given, folder=plant.folder))
    assert version.version == 3


def test_database_that_stays_locked_is_named_in_bounded_time(registered, monkeypatch):
    """The message names the database and what to look for."""
    _, database = registered
    monkeypatch.setattr("aedetect.registry.availability.PAUSES", (0.1,))
    begin = time.monotonic()
    wanted = rf"registry at sqlite:///{database} did not answer: .*locked; .*nothing else blocks it"
    with harm.held(database, seconds=60), pytest.raises(RegistryError, match=wanted):
        registry.find_version("plant", tracking_uri=f"sqlite:///{database}")
    assert time.monotonic() - begin < 20
