"""Scores with lookahead and smoothing, end to end: still a pure function of the rows."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pandas as pd
import pytest
from plant import DAYS, Plant, contents, rewritten, settings, stamps, table, verdicts
from plant import write as deliver

from aedetect.config import make_config
from aedetect.errors import ConfigError
from aedetect.jobs import training
from aedetect.output.atomic import read_origin
from aedetect.scoring import score_frame

CENTERED = {"alignment": "centered", "smooth": 3, "score": "mahalanobis"}
SMOOTHED = {"alignment": "causal", "smooth": 3, "score": "tail"}


@pytest.fixture(scope="module", params=[CENTERED, SMOOTHED], ids=["centered", "smoothed"])
def aligned(request, tmp_path_factory):
    """A registry whose champion is aligned or smoothed, and the detector."""
    folder = tmp_path_factory.mktemp("aligned")
    deliver(table("2026-01-01", days=2), folder / "train.parquet")
    config = make_config(settings(calibration=request.param), folder=folder)
    return training.run_training(config)[0], config.tracking_uri


@pytest.fixture
def plant(tmp_path, aligned, arrived):
    """A plant with three days of input and no scores."""
    shutil.copytree(arrived, tmp_path / "incoming")
    return Plant(folder=tmp_path, uri=aligned[1])


def test_day_by_day_gives_the_files_of_all_at_once(plant):
    """Once the later file has arrived, byte for byte."""
    plant.score(output="at_once")
    waiting = plant.folder / "waiting"
    plant.incoming.rename(waiting)
    for day in DAYS:
        plant.incoming.mkdir(exist_ok=True)
        shutil.copy(waiting / f"{day}.parquet", plant.incoming)
        plant.score()
    assert contents(plant.output) == contents(plant.folder / "at_once")
    assert plant.score().partitions == 0


def test_the_next_day_rescores_the_end_of_the_day_before(plant, aligned):
    """Within the lookahead of scores only; causal scores are unchanged."""
    scorer = aligned[0].scorer
    last = plant.incoming / f"{DAYS[2]}.parquet"
    last.rename(plant.folder / "later.parquet")
    plant.score()
    times, old = stamps(plant.output), verdicts(plant.output)
    shutil.copy(plant.folder / "later.parquet", last)
    plant.score()
    new = verdicts(plant.output)
    new = new[new["timestamp"] < DAYS[2]].reset_index(drop=True)
    differ = new[new["score"].notna() & (new["score"] != old["score"])]
    if scorer.alignment == "causal":
        assert rewritten(plant.output, times) == {f"date={DAYS[2]}"}
        assert differ.empty
    else:
        assert rewritten(plant.output, times) == {f"date={DAYS[1]}", f"date={DAYS[2]}"}
        assert differ["timestamp"].min() >= pd.Timestamp(f"{DAYS[1]} 23:56")
        assert len(differ) == 8  # three rows of windows and one of smoothing, of two units


def test_footers_say_how_far_a_score_looks_ahead(plant, aligned):
    """So that a partition is compared with the settings that it was computed with."""
    plant.score()
    origin = read_origin(plant.output / "scores" / f"date={DAYS[0]}" / "part-0.parquet")
    assert origin.lookahead == aligned[0].scorer.lookahead
    assert (origin.lookahead > 0) == (aligned[0].scorer.alignment == "centered")


def test_one_row_group_or_many_batches_score_the_same(plant, aligned, monkeypatch):
    """Rows whose later neighbours come in the next batch wait for them."""
    plant.score(output="at_once")
    monkeypatch.setattr("aedetect.data.reader.BATCH_ROWS", 97)
    plant.score()
    assert contents(plant.output) == contents(plant.folder / "at_once")


def test_the_log_reports_that_the_newest_rows_are_provisional(plant, aligned, caplog):
    """If later rows will change them."""
    with caplog.at_level(logging.INFO):
        plant.score()
    said = "judged from fewer windows until later rows arrive" in caplog.text
    assert said == (aligned[0].scorer.alignment == "centered")


def test_a_frame_scores_as_its_files_do(plant, aligned):
    """A frame has no further rows: the same rows at once give the same scores."""
    plant.score()
    frame = pd.concat([pd.read_parquet(plant.incoming / f"{day}.parquet") for day in DAYS])
    found = score_frame(aligned[0], frame)
    written = verdicts(plant.output)
    keys = ["entity", "timestamp", "reason", "score"]
    found = found.sort_values(keys, ignore_index=True)
    np.testing.assert_array_equal(found["score"], written["score"])
    assert found["verdict"].tolist() == written["verdict"].tolist()


def test_a_bound_of_one_window_is_not_centered(tmp_path):
    """The message states the reason and the remedy."""
    given = settings(
        model={"variant": "variational"}, calibration={"score": "elbo", "alignment": "centered"}
    )
    with pytest.raises(ConfigError, match=r'"elbo" needs alignment = "causal".*"centered"'):
        make_config(given, folder=tmp_path)
