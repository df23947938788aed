"""The benchmark of detection from files to its table, on rows with a fault that nobody can miss."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import detection
import gecco
import peers

sys.path.pop(0)

ROWS, FAULT = 1_500, slice(600, 640)


def table(*, seed, entity=None):
    """Return rows of three related columns, a minute apart."""
    random = np.random.default_rng(seed)
    driver = np.sin(np.arange(ROWS) * 0.1)[:, None] + 0.1 * random.normal(size=(ROWS, 3))
    found = pd.DataFrame(driver, columns=["a", "b", "c"])
    if entity is not None:
        found.insert(0, "entity", entity)
    found.insert(0, "timestamp", pd.date_range("2026-01-01", periods=ROWS, freq="min"))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a data set of two entities, the first with a fault in its later rows."""
    found = tmp_path_factory.mktemp("plant")
    early = [table(seed=number, entity=f"m{number}") for number in range(2)]
    later = [table(seed=10 + number, entity=f"m{number}") for number in range(2)]
    label = np.zeros(ROWS, dtype=np.int8)
    label[FAULT] = 1
    later[0].loc[label > 0, ["a", "b"]] += 5.0
    later = [part.assign(is_anomaly=own) for part, own in zip(later, (label, 0), strict=True)]
    pd.concat(early).to_parquet(found / "train.parquet", index=False)
    pd.concat(later).to_parquet(found / "test.parquet", index=False)
    return found


@pytest.fixture(scope="module")
def task(folder, tmp_path_factory):
    """Return the data set, read."""
    return detection.read(folder, tmp_path_factory.mktemp("scratch"))


def test_later_rows_carry_the_labels_of_all_rows(task):
    """Also those without a whole window, which are not among the windows; a minute a row."""
    assert task.later.truth.sum() == 40
    assert len(task.later.truth) == 2 * ROWS
    assert len(task.later.label) < 2 * ROWS
    assert task.later.days == pytest.approx(2 * ROWS / 1440)


def test_every_detector_is_measured(task):
    """The network by each score, and each peer; all rank the fault first."""
    given = argparse.Namespace(
        seeds=[0], variants=None, backbone=None, scores=["default", "mse", "mse@10"], peers=True
    )
    found = dict(detection.compare(task, given))
    named = [f"auto, dense: {each}" for each in given.scores]
    assert list(found)[:3] == named
    assert set(found) - set(named) <= set(peers.PEERS)
    for quality in found.values():
        assert quality.vus_pr > 0.7
        assert quality.met_a_day == quality.met_a_week == quality.met == 1.0
        assert quality.lost_by_threshold == quality.lost_by_model == 0.0
    row = detection.row("plant", "mse", found[named[1]])
    assert row.count("|") == len(detection.HEADS) + 1


def test_all_variants_are_those_of_each_backbone(task):
    """Linear is the same on both."""
    named = {str(each) for each in detection.networks_of(task, ["all"], None)}
    assert {"linear, dense", "undercomplete, convolutional"} < named
    assert len(named) == 13


def test_the_drinking_water_is_split_without_its_labels(tmp_path):
    """The labels of the earlier rows are not trained on, and those of the later rows measure."""
    rows = table(seed=0).assign(timestamp=pd.date_range(gecco.UNTIL, periods=ROWS, freq="min"))
    rows["timestamp"] -= pd.Timedelta(minutes=1_000)
    rows.to_parquet(tmp_path / "train.parquet", index=False)
    label = (np.arange(ROWS) % 1_200 == 0).astype(np.int8)
    labels = rows[["timestamp"]].assign(is_anomaly=label)
    labels.to_parquet(tmp_path / gecco.LABELS, index=False)
    target = gecco.write_split(tmp_path, tmp_path / "split")
    early, later = (pd.read_parquet(target / f"{part}.parquet") for part in ("train", "test"))
    assert list(early) == ["timestamp", "a", "b", "c"]
    assert (len(early), len(later), later["is_anomaly"].sum()) == (1_001, 499, 1)
    assert early["timestamp"].max() == gecco.UNTIL


@pytest.mark.parametrize("text", ["best", "mse@ten"])
def test_a_score_that_is_none_is_refused(text):
    """Before anything is trained."""
    with pytest.raises(argparse.ArgumentTypeError, match="default, or NAME"):
        detection.score_name(text)
