"""The gate, with real training on small data: who may replace the champion."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from aedetect import registry
from aedetect.jobs import gate_rows
from aedetect.jobs.gate import run_gate
from aedetect.jobs.learnt_rows import read_learnt
from aedetect.jobs.training import run_training
from aedetect.registry.promotions import read_promotions


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_frame, write):
    """Ten hours and twenty, the few first rows, and the same rows with shuffled columns."""
    folder = tmp_path_factory.mktemp("gate")
    rows = 1_500
    frame = make_frame(rows=rows)
    at = frame.groupby("unit").cumcount()
    write(frame[at < 1_000], folder / "train.parquet")
    write(frame, folder / "newer.parquet")
    write(frame[at < 50], folder / "few.parquet")
    random = np.random.default_rng(0)
    shuffled = frame[at < 1_000].copy()
    for name in ("a", "b"):
        shuffled[name] = random.permutation(shuffled[name].to_numpy())
    write(shuffled, folder / "shuffled.parquet")
    write(frame[at >= 1_000], folder / "incoming" / "later.parquet")
    known = frame.assign(bad=((at >= 900) & (at < 1_000)).astype(float))
    write(known, folder / "labelled" / "all.parquet")
    return folder


@pytest.fixture(scope="module")
def config(place, configured):
    """The configuration of the champion, which is registered."""
    config = configured(
        place,
        scoring={"input": "incoming"},
        promotion={"min_rows": 300},
        training={"epochs": 15},
    )
    run_training(config)
    return config


def trained(config, name, *, rate=0.02, **promotion):
    """Train on another file; the version, and the result of its gate."""
    changed = replace(
        config,
        data=replace(config.data, train=name),
        promotion=replace(config.promotion, **promotion),
        calibration=replace(config.calibration, false_alarm_rate=rate),
    )
    _, registered = run_training(changed)
    return registered


@pytest.mark.parametrize(("name", "rate"), [("shuffled.parquet", 0.02), ("few.parquet", 0.1)])
def test_a_bad_challenger_is_stopped(config, name, rate):
    """It does not become the champion, although promotion is automatic; the reason is on record."""
    bad = trained(config, name, rate=rate, automatic=True)
    assert bad.aliases == ("challenger",)
    assert "did not pass the gate" in bad.tags["gate"]
    again = run_gate(config, bad)
    assert not again.passed
    table = registry.read_run_text(
        bad, f"gate_against_{again.champion}.json", tracking_uri=config.tracking_uri
    )
    assert "rows" in json.dumps(json.loads(table))


def test_one_that_learnt_columns_alone_knows_nothing_of_hidden_cells(config):
    """Its scores may find injected anomalies; another variant knows as much as the champion."""
    linear = replace(config, model=replace(config.model, variant="linear"))
    bad, good = (
        next(each for each in run_gate(config, made).checks if each.name == "explained")
        for made in (trained(linear, "shuffled.parquet"), trained(linear, "train.parquet"))
    )
    assert bad.evidence < bad.limit
    assert good.evidence > good.limit / 5


def test_known_anomalies_that_were_learnt_as_normal_are_told(config):
    """The training table lacks the labels that the table to score has; the champion flags none."""
    labelled = replace(
        config,
        data=replace(config.data, label="bad"),
        scoring=replace(config.scoring, input="labelled"),
    )
    bad = trained(labelled, "train.parquet", min_rows=200)
    learnt = read_learnt(bad)
    assert learnt.champion == f"{config.name}/1"
    assert learnt.known == pytest.approx(0.1, abs=0.01)
    assert learnt.flagged < 0.05
    assert "learnt as normal that are known anomalies" in bad.tags["gate"]
    assert read_learnt(replace(bad, tags={"learnt_rows": "[]"})) is None


def test_a_sample_of_a_large_table_is_judged(config, monkeypatch):
    """Slices of the whole time, each with the rows before it."""
    monkeypatch.setattr(gate_rows, "_MOST_ROWS", 400)
    good = trained(config, "newer.parquet", min_rows=200)
    assert 300 < read_learnt(good).rows < 500


def test_a_good_retrain_on_newer_data_passes(config):
    """It becomes the champion by itself, where the configuration says so."""
    good = trained(config, "newer.parquet", automatic=True, min_rows=200)
    assert "passed the gate" in good.tags["gate"]
    assert "champion" in good.aliases
    last = read_promotions(config.name, tracking_uri=config.tracking_uri)[-1]
    assert (last.action, last.version) == ("automatic", good.version)
    assert last.why == good.tags["gate"]
    assert run_gate(config, good) is None  # the champion itself


def test_what_cannot_be_compared_does_not_pass(config, place, make_frame, write):
    """A version that reads other columns needs a decision of people."""
    write(make_frame(rows=1_000, features=("a", "b", "c")), place / "wider.parquet")
    other = trained(config, "wider.parquet")
    assert "must read the same columns, but differ in c" in other.tags["gate"]
    assert not run_gate(config, other).passed
