"""Comparing variants: on the same rows, independent of other jobs, always with linear."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from aedetect.errors import ConfigError
from aedetect.evaluation.comparison import Result, verdict
from aedetect.evaluation.ranking import (
    SHARE,
    InjectedRows,
    ModelScores,
    agreement,
    by_kind,
    by_strength,
    lead,
    precision,
)
from aedetect.evaluation.synthetic_anomalies import HeldOutRows, SyntheticAnomaly
from aedetect.jobs import comparison_data
from aedetect.jobs.comparison import choose_variants, compare_variants
from aedetect.jobs.fit_scorer import series_of
from aedetect.models.variants import VARIANTS
from aedetect.preprocessing import Part

TIMES = ("seconds", "rows_per_second")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_frame, write):
    """Training data of two units with three sensors, and a labelled day of them."""
    folder = tmp_path_factory.mktemp("compared")
    features = ("a", "b", "c")
    write(make_frame(features=features), folder / "train.parquet")
    later = make_frame(features=features, start="2026-02-01", rows=300, seed=1)
    anomalous = later.index % 60 < 6
    later.loc[anomalous, "a"] += 1.0
    write(later.assign(bad=anomalous), folder / "later.parquet")
    return folder


@pytest.fixture(scope="module")
def config(folder, configured):
    """A tiny configuration whose scoring input has labels."""
    return configured(folder, data={"label": "bad"}, scoring={"input": "later.parquet"})


@pytest.fixture(scope="module")
def compared(config):
    """Two variants and linear, one at a time."""
    chosen = choose_variants(["undercomplete", "sparse_l1"])
    return compare_variants(config, chosen, clock=time.thread_time, jobs=1)


def untimed(results):
    """Results by variant, without measured times."""
    return {each.variant: replace(each, **dict.fromkeys(TIMES, 0.0)) for each in results}


def test_linear_is_always_compared():
    """Whichever variants are named; all are compared when none is."""
    assert choose_variants(["denoising"]) == ("linear", "denoising")
    assert choose_variants(["linear", "linear"]) == ("linear",)
    assert set(choose_variants([])) == set(VARIANTS)


def test_a_wrong_name_is_refused():
    """The nearest right one is named."""
    with pytest.raises(ConfigError, match=r'"denoisng" is not a variant .*"denoising"'):
        choose_variants(["denoisng"])


def test_results_do_not_depend_on_the_number_of_jobs(config, compared):
    """To the last bit, except measured times."""
    again = compare_variants(
        config, ("sparse_l1", "linear", "undercomplete"), clock=time.thread_time, jobs=3
    )
    assert untimed(again.results) == untimed(compared.results)
    assert again.lead == compared.lead


def test_the_best_variant_comes_first_and_is_in_the_verdict(compared):
    """They are ranked by the injected anomalies."""
    scores = [each.injected for each in compared.results]
    assert scores == sorted(scores, reverse=True)
    said = verdict(compared)
    assert said.startswith(f"{compared.results[0].variant} won")
    assert "linear" in said
    assert "seeds = 1" in said


def test_the_verdict_considers_noise(compared):
    """Whether a variant beats linear, and whether the lead exceeds noise."""
    first, second = (
        replace(each, variant=name)
        for each, name in zip(compared.results, ("contractive", "linear"), strict=False)
    )
    ahead = replace(compared.lead, difference=0.03, low=0.01, high=0.05)
    beaten = replace(compared, results=(first, second), lead=ahead)
    assert "it beats linear by 0.030" in verdict(beaten)
    assert "beyond the noise" in verdict(beaten)
    assert "within noise" in verdict(replace(beaten, lead=replace(ahead, low=-0.01)))
    labelled = replace(
        beaten, results=(replace(first, labelled=0.9), replace(second, labelled=0.7))
    )
    assert "the labelled rows contractive won with 0.900: it beats linear by 0.2" in verdict(
        labelled
    )
    won = replace(compared, results=(second, first), lead=ahead, rival="contractive")
    assert "no variant beats it; contractive comes next, 0.030 below" in verdict(won)


def test_stronger_anomalies_are_easier_to_find(compared):
    """For every variant."""
    for each in compared.results:
        found = [each.strengths[size] for size in (1.0, 2.0, 4.0, 8.0)]
        assert found == sorted(found)
        assert found[-1] > found[0] + 0.05


def test_labels_give_a_second_ranking_and_the_agreement(compared):
    """Average precision on the labelled rows, and the agreement of the rankings."""
    assert compared.labelled_rows == 2 * (300 - 3)
    found = {each.variant: each.labelled for each in compared.results}
    assert found["linear"] > 0.5, found
    assert -1 <= compared.agreement <= 1


def test_without_labels_there_is_no_agreement(folder, configured):
    """Only injected anomalies are used; a single variant has no lead."""
    alone = compare_variants(configured(folder), ("linear",), clock=time.thread_time)
    assert (alone.results[0].labelled, alone.agreement, alone.lead) == (None, None, None)
    assert "nothing else" in verdict(alone)


def test_each_variant_is_a_child_run_of_one_parent(config, compared):
    """In MLflow; no model is registered."""
    from mlflow import MlflowClient

    client = MlflowClient(config.tracking_uri)
    parent = client.get_run(compared.run_id)
    below = f"tags.`mlflow.parentRunId` = '{compared.run_id}'"
    runs = client.search_runs([parent.info.experiment_id], below)
    assert {run.data.tags["variant"] for run in runs} == {"linear", "undercomplete", "sparse_l1"}
    assert {run.info.status for run in [parent, *runs]} == {"FINISHED"}
    assert parent.data.tags["winner"] == compared.results[0].variant
    by_variant = {each.variant: each for each in compared.results}
    for run in runs:
        one = by_variant[run.data.tags["variant"]]
        assert run.data.metrics["injected"] == one.injected
        assert run.data.params["model.variant"] == one.variant
    assert not client.search_registered_models()


@pytest.mark.parametrize("score_name", ["mse", "ensemble"])
def test_an_unaltered_copy_has_the_scores_of_the_original_rows(learnt, score_name):
    """Injecting nothing gives the scores of the held-out rows, to the bit."""
    rows, held = learnt.ingested.rows, learnt.prepared.windows[Part.CALIBRATE]
    held_out = HeldOutRows(
        values=rows.values, entity=rows.entity, ends=held.ends, std=np.ones((2, 2))
    )
    start = int(held.ends[5])
    nothing = SyntheticAnomaly(
        kind="level_shift", strength=1.0, start=start, columns=(0,), donor=start, seed=0
    )
    scorer = replace(learnt.detector.scorer, score=score_name)
    series = series_of(learnt.ingested, learnt.prepared)
    before = start - int(np.searchsorted(rows.entity, rows.entity[start]))
    for size in (0.0, 1e-300):  # the latter is a change without effect
        held_out.std[:] = size
        batch, _ = comparison_data.prepare_injected(
            learnt.prepared.preparation, rows, series, held_out, (nothing,)
        )
        score = replace(batch, rows=before + np.arange(16)).scores(scorer)
        own = comparison_data.ComparisonBatch(series, np.arange(start, start + 16)).scores(scorer)
        np.testing.assert_array_equal(score, own)


def test_the_resampled_precision_is_that_of_scikit_learn():
    """Without resampling; and a model has no lead over itself."""
    random = np.random.default_rng(0)
    found = ModelScores(
        random.normal(size=500).astype(np.float32), random.normal(1, size=60).astype(np.float32)
    )
    worse = ModelScores(found.normal, found.injected - 1)
    injected = InjectedRows(np.arange(60) // 3, np.repeat(["spike", "drift"], 30), np.ones(60))
    truth = np.repeat([False, True], [500, 60])
    expected = average_precision_score(truth, np.concatenate([found.normal, found.injected]))
    assert precision(found.normal, found.injected) == expected
    assert precision(found.normal, found.injected, np.ones(60)) == pytest.approx(expected)
    means = [np.mean(list(by_kind(each, injected).values())) for each in (found, worse)]
    ahead = lead(found, worse, injected, seed=0)
    assert ahead.difference == pytest.approx(means[0] - means[1], abs=1e-12)
    assert ahead.low < ahead.difference < ahead.high
    assert not ahead.is_noise
    assert lead(found, found, injected, seed=0).is_noise


def test_a_random_score_has_the_same_precision_for_every_kind_and_strength():
    """With any number of anomalous and normal rows."""
    random = np.random.default_rng(0)
    anomaly = np.repeat(np.arange(400), np.tile([1, 20], 200))
    injected = InjectedRows(anomaly, np.array(["spike", "drift"])[anomaly % 2], anomaly % 2 + 1.0)
    found = ModelScores(
        *(random.normal(size=size).astype(np.float32) for size in (300, len(anomaly)))
    )
    for each in (*by_kind(found, injected).values(), *by_strength(found, injected).values()):
        assert each == pytest.approx(SHARE, abs=0.02)


def test_agreement_of_rankings():
    """One for the same order, minus one for the reverse, None without an order."""
    assert agreement([0.3, 0.2, 0.1], [0.9, 0.8, 0.7]) == pytest.approx(1)
    assert agreement([0.3, 0.2, 0.1], [0.7, 0.8, 0.9]) == pytest.approx(-1)
    assert agreement([0.3], [0.1]) is None
    assert agreement([0.3, 0.3], [0.1, 0.2]) is None


@pytest.fixture
def on_command_line(folder, config, monkeypatch, capsys):
    """Run the command; return exit code, stdout and stderr."""
    from aedetect.cli import main

    (folder / "pump.toml").write_text(
        '[detector]\nname = "pump"\n[data]\ntrain = "train.parquet"\ntimestamp = "time"\n'
        'entity = "unit"\nlabel = "bad"\n[scoring]\ninput = "later.parquet"\n'
        "[training]\nepochs = 1\n[window]\nlength = 4\n"
    )

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["aedetect", "compare", str(folder / "pump.toml"), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


def test_command_prints_json(on_command_line):
    """All results and the verdict."""
    code, out, _ = on_command_line("--variants", "linear,undercomplete", "--json")
    said = json.loads(out)
    assert code == 0
    assert {each["variant"] for each in said["comparison"]["results"]} == {
        "linear",
        "undercomplete",
    }
    assert set(said["comparison"]["results"][0]) == set(Result.__dataclass_fields__)
    assert "won" in said["verdict"]


def test_command_prints_a_table(on_command_line):
    """One row per variant, then the verdict."""
    code, out, _ = on_command_line("--variants", "linear")
    assert code == 0
    assert "labelled" in out
    assert "linear won with" in out


def test_command_refuses_a_wrong_name(on_command_line):
    """The error is one message."""
    code, _, err = on_command_line("--variants", "linaer")
    assert code == 1
    assert 'did you mean "linear"?' in err
