"""A challenger beside the champion: its own folder, what would change, and the end by the gate."""

from __future__ import annotations

import pytest
from plant import contents, pure, settings, table, write

from aedetect import registry
from aedetect.config import make_config
from aedetect.errors import AedetectError
from aedetect.jobs import scoring, shadow_run, training
from aedetect.jobs.shadow import SINCE, in_shadow
from aedetect.output import list_files
from aedetect.registry.promotions import read_promotions


def arrive(folder, day):
    """Let a day arrive, with an hour of a fault."""
    rows = table(day)
    rows.loc[300:360, "cpu"] = 300.0
    write(rows, folder / f"incoming/{day}.parquet")


def begin(folder, **promotion):
    """Train a champion and a challenger that passes all but the time; score the first day."""
    write(table("2026-01-01", days=2), folder / "train.parquet")
    write(table("2026-01-03"), folder / "later.parquet")
    given = settings(
        training={"epochs": 3},
        data={"train": ["train.parquet", "later.parquet"]},
        promotion={"shadow": "1d", "automatic": True, "agreement": -1.0, "calibration": 99.0}
        | promotion,
    )
    config = make_config(given, folder=folder)
    training.run_training(
        make_config(given | {"data": {**given["data"], "train": "train.parquet"}}, folder=folder)
    )
    training.run_training(
        make_config(given | {"training": {"epochs": 3, "seed": 5}}, folder=folder)
    )
    arrive(folder, "2026-01-04")
    scoring.run_scoring(config)
    return config


def found(config):
    """Return the challenger."""
    return registry.find_version("plant/2", tracking_uri=config.tracking_uri)


@pytest.fixture(scope="module")
def began(tmp_path_factory):
    """The configuration, with a challenger in shadow from the second day on."""
    return begin(tmp_path_factory.mktemp("shadow"))


def test_it_scores_from_the_next_day_on_in_a_folder_of_its_own(began):
    """Of the champion's output nothing changes; a second run changes nothing at all."""
    challenger = found(began)
    assert challenger.tags["gate_passed"] == "shadow"
    assert "days scored in shadow: 0" in challenger.tags["gate"]
    assert challenger.tags[SINCE] == "2026-01-05T00:00:00"
    before = pure(began.output)
    arrive(began.folder, "2026-01-05")
    scoring.run_scoring(began)
    after = pure(began.output)
    assert all(after[name] == data for name, data in before.items() if "2026-01-04" in name)
    mine = began.folder / "output-shadow" / "2"
    assert [str(f.partition) for f in list_files(mine, "scores")] == ["2026-01-05"]
    assert {f.origin().model_version for f in list_files(mine, "scores")} == {2}
    assert {f.origin().model_version for f in list_files(began.output, "scores")} == {1}
    assert not (mine / "notified").exists()


def test_the_gate_decides_when_the_time_is_over(began):
    """It names the events won, lost and shared; the version is promoted by itself, once."""
    challenger = found(began)
    assert challenger.tags["gate_passed"] == "yes"
    assert "shared with the champion" in challenger.tags["gate"]
    history = read_promotions("plant", tracking_uri=began.tracking_uri)
    assert [(each.action, each.version) for each in history] == [("first", 1), ("automatic", 2)]
    held = contents(began.folder / "output-shadow")
    scoring.run_scoring(began)
    assert contents(began.folder / "output-shadow") == held
    assert len(read_promotions("plant", tracking_uri=began.tracking_uri)) == 2


def test_a_run_that_fails_in_shadow_is_completed_by_the_next(tmp_path, monkeypatch):
    """The champion's verdicts are there all the same."""
    config = begin(tmp_path)
    arrive(tmp_path, "2026-01-05")

    def fails(*_given, **_named):
        raise AedetectError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(shadow_run, "settle_challenger", fails)
        scoring.run_scoring(config)
    assert [str(f.partition) for f in list_files(config.output, "scores")][-1] == "2026-01-05"
    assert in_shadow(config) is not None
    scoring.run_scoring(config)
    assert in_shadow(config) is None
    assert "champion" in found(config).aliases
