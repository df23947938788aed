"""A command reads its configuration and looks up its model once."""

from __future__ import annotations

import sys
from collections import Counter
from functools import wraps

import pytest
from plant import DAYS

from aedetect import registry
from aedetect.cli import SILENT, main
from aedetect.cli.elsewhere import elsewhere
from aedetect.config import read_config, reading


@pytest.fixture
def count(monkeypatch, capsys):
    """Run a command in this process, and count reads and registry requests."""
    for name, value in SILENT.items():
        monkeypatch.setenv(name, value)
    calls: Counter[str] = Counter()

    def counting(module, name):
        function = getattr(module, name)

        @wraps(function)
        def counted(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, counted)

    counting(reading, "make_config")  # every read of a configuration file calls it
    counting(registry, "find_version")
    counting(registry, "fetch_version")

    def count(*words):
        calls.clear()
        monkeypatch.setattr(sys, "argv", ["aedetect", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        capsys.readouterr()
        assert not ended.value.code
        return tuple(calls[name] for name in ("make_config", "find_version", "fetch_version"))

    return count


def test_commands_read_and_resolve_once(prefect, count, plant):
    """Scoring, scoring again, applying a threshold, and training."""
    path = plant.written()
    # A run that scores also asks which day of the version was logged last.
    assert count("score", path, "--json") == (1, 2, 1)
    assert count("score", path) == (1, 1, 1)
    assert count("score", path, "--since", DAYS[1], "--force") == (1, 2, 1)
    assert count("score", path, "--reflag") == (1, 1, 1)
    # Both versions are resolved, and the requested one scores.
    assert count("score", path, "--model", "plant/2", "--to", plant.folder / "two") == (1, 2, 2)
    own = ("--set", f"registry.tracking_uri=sqlite:///{plant.folder}/own/mlflow.db")
    assert count("train", path, "--set", "training.epochs=1", *own) == (
        1,
        1,
        1,
    )  # is there a champion?


def test_changed_settings_equal_their_overrides(plant):
    """A run in Prefect that is started with the overrides has the same settings."""
    path = plant.written()
    asked = elsewhere(read_config(path), model="plant/2", to=plant.folder / "it's")
    assert asked.settings == read_config(path, asked.overrides)
    assert (asked.model.name, asked.model.version) == ("plant", 2)
    assert elsewhere(read_config(path), model=None, to=None).settings == read_config(path)
