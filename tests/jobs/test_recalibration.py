"""A new threshold for a registered model, without training and without loading the network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from plant import settings, table, write, write_config
from typer.testing import CliRunner

from aedetect import registry
from aedetect.calibration.serialization import newest_version
from aedetect.cli import app
from aedetect.config import make_config
from aedetect.detector import CalibratedScorer, read_outline
from aedetect.errors import CalibrationRefused
from aedetect.jobs import training
from aedetect.jobs.recalibration import recalibrate


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Train one version in its own registry."""
    folder = tmp_path_factory.mktemp("base")
    write(table("2026-01-01", days=2), folder / "train.parquet")
    training.run_training(make_config(settings(), folder=folder))
    return folder


@pytest.fixture
def config(base):
    """Return the configuration with changed keys; later calibrations are removed afterwards."""

    def config(**calibration):
        return make_config(settings(calibration=calibration), folder=base)

    yield config
    shutil.rmtree(fetched(config()) / "calibrations", ignore_errors=True)


def fetched(config):
    """Return the folder of the champion's detector."""
    uri = config.tracking_uri
    return registry.fetch_version(
        registry.find_version("plant", tracking_uri=uri), tracking_uri=uri
    )


def test_a_new_threshold_is_the_next_calibration(config):
    """Weights and held-out scores do not change; a loaded detector has the newest threshold."""
    asked = config(threshold="quantile", quantile=0.9)
    before = CalibratedScorer.load(fetched(asked))
    made = recalibrate(asked)
    assert (made.model, made.version) == ("plant/1", 2)
    after = CalibratedScorer.load(fetched(asked))
    assert (before.calibration.version, after.calibration.version) == (1, 2)
    assert after.calibration.threshold.method == "quantile"
    assert after.calibration.threshold.value < before.calibration.threshold.value
    np.testing.assert_array_equal(after.calibration.scores, before.calibration.scores)
    np.testing.assert_array_equal(after.calibration.limits, before.calibration.limits)
    assert recalibrate(config(threshold="pot", pot=0.001)).version == 3
    assert newest_version(fetched(asked)) == 3


def test_the_same_settings_give_the_thresholds_of_training(config):
    """The choice depends only on what was saved."""
    asked = config()
    recalibrate(asked)
    again = CalibratedScorer.load(fetched(asked)).calibration
    shutil.rmtree(fetched(asked) / "calibrations")
    original = CalibratedScorer.load(fetched(asked)).calibration
    assert (original.version, again.version) == (1, 2)
    assert (again.threshold, again.forecast) == (original.threshold, original.forecast)
    assert {code: own.threshold for code, own in again.own.items()} == {
        code: own.threshold for code, own in original.own.items()
    }


def test_mlflow_serves_the_newest_calibration(config):
    """`pyfunc.load_model` uses the new threshold, and a tag of the version has its number."""
    asked = config(threshold="quantile", quantile=0.5)
    recalibrate(asked)
    uri = asked.tracking_uri
    assert registry.find_version("plant", tracking_uri=uri).calibration == 2
    assert [each.calibration for each in registry.list_versions(tracking_uri=uri)] == [2]
    import mlflow

    location = fetched(asked).parents[1]
    verdicts = mlflow.pyfunc.load_model(location.as_uri()).predict(table("2026-01-05"))["verdict"]
    assert (verdicts == "anomaly").mean() > 0.2


def test_no_network_is_loaded(config, tmp_path):
    """Neither PyTorch nor the weights are needed."""
    asked = config()
    weights = fetched(asked) / "weights.safetensors"
    weights.rename(tmp_path / "weights")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from aedetect.config import make_config\n"
        "from aedetect.jobs.recalibration import recalibrate\n"
        f"made = recalibrate(make_config({settings()!r}, folder=Path({str(asked.folder)!r})))\n"
        "assert made.version == 2\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    (tmp_path / "weights").rename(weights)
    assert done.returncode == 0, done.stderr


def test_a_refused_promise_changes_nothing(config):
    """The message names what is missing."""
    asked = config(threshold="fbeta")
    with pytest.raises(CalibrationRefused, match=r"\[data\] label"):
        recalibrate(asked)
    assert newest_version(fetched(asked)) is None
    assert read_outline(fetched(asked)).calibration.version == 1


def test_a_threshold_key_changes_no_hash_of_the_configuration(config):
    """Such a change requires no new training; another score does."""
    assert config(threshold="pot", pot=0.01).hash == config().hash
    assert config(score="standardized").hash != config().hash


def test_an_event_setting_changes_an_alert_budget(base, config):
    """A longer merge gap forms fewer events of the same rows, so the threshold may be lower."""
    values = []
    for merge_gap in ("1min", "12h"):
        given = settings(
            calibration={"threshold": "alert_budget", "alert_budget": "20 per day"},
            events={"merge_gap": merge_gap},
        )
        values.append(recalibrate(make_config(given, folder=base)).thresholds[0].rate)
    assert values[0] < values[1]


def test_the_command_prints_thresholds_and_expected_events(config, base):
    """A table with one row per entity, or JSON."""
    path = str(write_config(base / "plant.toml", settings()))
    budget = ["--set", "calibration.alert_budget=6 per day"]
    asked = ["calibrate", path, "--threshold", "alert_budget", *budget]
    shown = CliRunner().invoke(app, asked, catch_exceptions=False).stdout
    assert "plant/1 has calibration 2: threshold = alert_budget, alert_budget = 6 per day" in shown
    words = " ".join(shown.split())
    assert all(word in words for word in ("east", "west", "expected in all", "--reflag"))
    printed = json.loads(CliRunner().invoke(app, [*asked, "--model", "plant/1", "--json"]).stdout)
    assert (printed["version"], len(printed["thresholds"])) == (3, 3)
    models = CliRunner().invoke(app, ["models", path]).stdout
    assert re.search(r"plant/1 .*, calibration 3\n", models)
