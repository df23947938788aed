"""The flows to serve or deploy."""

from __future__ import annotations

import pytest
from schedules import MORNING, NIGHT, written

from aedetect.errors import ConfigError
from pipelines.deployments import deployments


def test_both_flows_of_a_detector_are_served(tmp_path):
    """By its name; a flow without a schedule can be triggered."""
    path = written(tmp_path, scoring={"schedule": MORNING})
    scoring, training = deployments([path], scheduled=True)
    assert (scoring.flow, scoring.detector, scoring.cron) == ("scoring", "pump", MORNING)
    assert (training.flow, training.detector, training.cron) == ("training", "pump", None)
    assert scoring.parameters == {"config_path": str(path)}
    assert scoring.entrypoint == "pipelines.scoring.scoring"


def test_detector_with_only_training_needs_no_input(tmp_path):
    """A [training] schedule is enough to serve."""
    path = written(tmp_path, training={"schedule": NIGHT})
    path.write_text(path.read_text().replace('input = "incoming"', ""))
    (only,) = deployments([path], scheduled=True)
    assert (only.flow, only.cron) == ("training", NIGHT)


def test_scoring_of_all_comes_first(tmp_path):
    """Several detectors are served together."""
    paths = [
        written(tmp_path, name, scoring={"schedule": MORNING}, training={"schedule": NIGHT})
        for name in ("east", "west")
    ]
    found = [(each.flow, each.detector) for each in deployments(paths, scheduled=True)]
    expected = [
        ("scoring", "east"),
        ("scoring", "west"),
        ("training", "east"),
        ("training", "west"),
    ]
    assert found == expected


def test_cron_is_in_the_zone_of_the_data(tmp_path, make_frame, write):
    """That of the timestamps, or that of the configuration; UTC when there is none."""
    path = written(tmp_path, scoring={"schedule": MORNING})
    assert {each.timezone for each in deployments([path], scheduled=True)} == {"UTC"}
    frame = make_frame(rows=10)
    frame["time"] = frame["time"].dt.tz_localize("Europe/Berlin")
    write(frame, tmp_path / "train.parquet")
    assert {each.timezone for each in deployments([path], scheduled=True)} == {"Europe/Berlin"}
    path = written(tmp_path, scoring={"schedule": MORNING}, data={"timezone": "Asia/Kolkata"})
    assert {each.timezone for each in deployments([path], scheduled=True)} == {"Asia/Kolkata"}


def test_configuration_without_schedule_is_refused(tmp_path):
    """The message has an example; a deployment needs no schedule."""
    path = written(tmp_path)
    with pytest.raises(ConfigError, match=r"pump\.toml needs a \[scoring\] schedule or a \[train"):
        deployments([path], scheduled=True)
    assert len(deployments([path], scheduled=False)) == 2


@pytest.mark.parametrize("cron", ["daily", "15 6", "61 * * * *", "@sometimes", ""])
@pytest.mark.parametrize("section", ["scoring", "training"])
def test_schedule_that_is_not_cron_is_refused(tmp_path, cron, section):
    """The section and the schedule are quoted, and an example given."""
    path = written(tmp_path, **{section: {"schedule": cron}})
    with pytest.raises(ConfigError, match=rf"\[{section}\] schedule .*must be cron, got "):
        deployments([path], scheduled=False)


def test_scheduled_scoring_without_input_is_refused(tmp_path):
    """An error that every run would raise is raised before serving."""
    path = written(tmp_path, scoring={"schedule": MORNING})
    path.write_text(path.read_text().replace('input = "incoming"', ""))
    with pytest.raises(ConfigError, match=r"\[scoring\] input is needed"):
        deployments([path], scheduled=True)


def test_two_detectors_of_one_name_are_refused(tmp_path):
    """They would replace each other."""
    (tmp_path / "other").mkdir()
    paths = [
        written(folder, scoring={"schedule": MORNING}) for folder in (tmp_path, tmp_path / "other")
    ]
    with pytest.raises(ConfigError, match="got pump comes twice"):
        deployments(paths, scheduled=True)


def test_same_configuration_twice_is_once(tmp_path):
    """A shell pattern may repeat a file."""
    path = written(tmp_path, scoring={"schedule": MORNING})
    assert len(deployments([path, path], scheduled=True)) == 2


def test_schedule_does_not_change_the_hash(tmp_path):
    """The time of training does not change the detector."""
    from aedetect.config import read_config

    plain = read_config(written(tmp_path)).hash
    assert read_config(written(tmp_path, training={"schedule": NIGHT})).hash == plain
