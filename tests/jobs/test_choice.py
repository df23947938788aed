"""The variant is chosen by evidence."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from aedetect.detector import altered
from aedetect.detector.ensemble import MEMBERS
from aedetect.evaluation.injected_segments import KINDS, inject_segments
from aedetect.jobs import choice, fit_scorer
from aedetect.jobs.choice import MARGIN, STRETCHES, Evidence, choose, evidence_of, prepare_trial
from aedetect.jobs.fit_scorer import series_of
from aedetect.preprocessing import Part
from aedetect.scoring import score_frame


@pytest.fixture(scope="module")
def learnt(make_frame, write, learn, tmp_path_factory):
    """Two machines of 600 rows."""
    folder = tmp_path_factory.mktemp("choice")
    write(make_frame(rows=600), folder / "train.parquet")
    return learn(folder)


def trial_of(learnt):
    """The trial of a training run."""
    windows = learnt.prepared.windows
    return prepare_trial(
        series_of(learnt.ingested, learnt.prepared),
        learnt.ingested.rows.entity,
        learn=windows[Part.LEARN].ends,
        held_out=windows[Part.CALIBRATE].ends,
        columns=np.arange(2),
    )


def found(*injected):
    """Evidence of candidates."""
    names = ("undercomplete", "linear", "denoising")
    return [
        Evidence(variant=name, shapes=0.0, kinds={"spike": each, "drift": each}, drift=1.0)
        for name, each in zip(names, injected, strict=False)
    ]


def test_the_first_candidate_is_used_unless_another_is_clearly_better():
    """By more than the margin."""
    assert choose(found(0.5, 0.5 + MARGIN)) == 0
    assert choose(found(0.5, 0.5 + 2 * MARGIN)) == 1
    assert choose(found(0.5, 0.55, 0.6)) == 2


def labelled(stretches):
    """One candidate ahead on injected segments, the other on labelled rows."""
    first, second = found(0.6, 0.5)
    first = replace(first, labelled=0.2, stretches=stretches)
    return [first, replace(second, labelled=0.9, stretches=stretches)]


def test_labelled_stretches_decide_when_there_are_many():
    """One weighs little; with STRETCHES of them they weigh as much as the injected segments."""
    assert choose(labelled(0)) == 0
    assert choose(labelled(1)) == 0
    assert choose(labelled(50)) == 1
    assert labelled(STRETCHES)[0].merit == pytest.approx((0.6 + 0.2) / 2)


def test_the_evidence_is_logged(caplog):
    """Which variant is used, and by what lead."""
    with caplog.at_level(logging.INFO):
        choose(found(0.5, 0.6))
    fields = [record.fields for record in caplog.records if record.event == "chosen"]
    assert [(each["variant"], round(each["lead"], 6)) for each in fields] == [("linear", 0.1)]


def test_scores_of_the_trial_are_those_of_the_whole_series(learnt):
    """Though it has only the held-out rows and those that they look back at."""
    scorer, trial = learnt.detector.scorer, trial_of(learnt)
    series = series_of(learnt.ingested, learnt.prepared)
    asked = np.zeros(len(series.back), dtype=bool)
    asked[learnt.prepared.windows[Part.CALIBRATE].ends] = True
    rows, expected = scorer.judge(series, asked)
    own, judged = scorer.judge(trial.series, trial.asked)
    assert len(own) == len(rows)
    assert np.array_equal(judged.score, expected.score)


@pytest.mark.parametrize(
    ("variant", "together"), [("linear", 2**40), ("undercomplete", 2**40), ("undercomplete", 1)]
)
def test_altered_rows_get_the_scores_of_the_whole_copy(learnt, monkeypatch, variant, together):
    """To the last bit, of every kind, however many copies are seen together."""
    monkeypatch.setattr(altered, "_MOST_CELLS", together)
    model = replace(learnt.config.model, variant=variant)
    shapes = replace(learnt.config.calibration, shapes=2.0)
    config = replace(learnt.config, model=model, calibration=shapes)
    scorer = fit_scorer.train_scorer(config, learnt.ingested, learnt.prepared).scorer
    assert scorer.combines
    assert scorer.shapes is not None
    trial = trial_of(learnt)
    copies = [
        inject_segments(trial.held_out, kind, seed=(0, number, 0))
        for number, kind in enumerate(KINDS)
    ]
    copies.append((trial.held_out.matrix, np.zeros(len(trial.asked), dtype=bool)))
    plain = altered.ScoredSeries.of(scorer, trial.series, trial.asked)
    found = list(plain.scores_of(copies, [0.0, 2.0]))
    for (cells, changed), (rows, scores) in zip(copies, found, strict=True):
        matrix = np.concatenate([cells, trial.series.matrix[:, cells.shape[1] :]], axis=1)
        _, judged = scorer.judge(replace(trial.series, matrix=matrix), trial.asked)
        assert rows is changed
        assert np.array_equal(scores[0], judged.parts.score(0.0))
        assert np.array_equal(scores[1], judged.score)
    assert np.array_equal(found[-1][1][1], plain.scores([2.0])[0])
    assert not np.array_equal(found[0][1][1], found[-1][1][1])


def test_a_blind_scorer_has_less_evidence(learnt):
    """One that sees no residual, whatever its network expects, of every kind of segment."""
    scorer, trial = learnt.detector.scorer, trial_of(learnt)
    (sighted,) = evidence_of(scorer, trial, variant="undercomplete", weights=[0.0], seed=0)
    units = scorer.residuals.typical.copy()
    units[:, : MEMBERS.index("V30")] *= 1e6
    blind = replace(scorer, residuals=replace(scorer.residuals, typical=units))
    (noise,) = evidence_of(blind, trial, variant="linear", weights=[0.0], seed=0)
    assert set(sighted.kinds) == set(noise.kinds)
    assert 0 < sighted.injected <= 1
    assert noise.injected < 0.6 * sighted.injected


def test_training_keeps_the_evidence_of_the_candidates(learnt, monkeypatch):
    """And the network of the one that was chosen, as if it had been trained alone."""
    auto = replace(learnt.config, model=replace(learnt.config.model, variant="auto"))
    trained = fit_scorer.train_scorer(auto, learnt.ingested, learnt.prepared)
    assert [each.variant for each in trained.evidence] == ["undercomplete", "linear"]
    best = trained.evidence[choose(trained.evidence)].variant
    assert trained.scorer.model.settings.variant == best
    alone = replace(auto, model=replace(auto.model, variant="linear"))
    linear = fit_scorer.train_scorer(alone, learnt.ingested, learnt.prepared).scorer
    series = series_of(learnt.ingested, learnt.prepared)
    monkeypatch.setattr(fit_scorer, "choose", lambda _found: 1)
    chosen = fit_scorer.train_scorer(auto, learnt.ingested, learnt.prepared).scorer
    rows = learnt.prepared.windows[Part.CALIBRATE].ends
    assert np.array_equal(chosen.expect(series, rows), linear.expect(series, rows))
    assert np.array_equal(chosen.residuals.typical, linear.residuals.typical)


def test_candidates_are_compared_on_labelled_rows_of_the_held_out_time(
    make_frame, train_on, caplog
):
    """By the scores that these rows get when the whole table is scored, entity by entity."""
    frame = make_frame(rows=600)
    bad = (frame["time"].dt.minute % 30 < 3) & (frame["unit"] == frame["unit"].iloc[0])
    frame["bad"] = bad & (np.arange(len(frame)) % 600 >= 200)
    frame.loc[frame["bad"], "a"] += 3.0
    learnt = train_on(frame, data={"label": "bad"}, calibration={"shapes": 0.0})
    auto = replace(learnt.config, model=replace(learnt.config.model, variant="auto"))
    with caplog.at_level(logging.INFO):
        trained = fit_scorer.train_scorer(auto, learnt.ingested, learnt.prepared)
    own = {each.variant: each for each in trained.evidence}[trained.scorer.model.settings.variant]
    rows = learnt.ingested.rows
    held_out = learnt.prepared.windows[Part.CALIBRATE].ends
    since = rows.time[held_out[rows.entity[held_out] == 0]].min()
    detector = replace(learnt.detector, scorer=trained.scorer)
    scored = score_frame(detector, frame.drop(columns="bad"))
    later = (frame["unit"] == frame["unit"].iloc[0]) & (
        frame["time"].to_numpy("datetime64[ns]").astype(np.int64) >= since
    )
    later &= scored["score"].notna().to_numpy()
    expected = average_precision_score(frame["bad"][later], scored["score"][later.to_numpy()])
    assert own.labelled == pytest.approx(expected, abs=1e-6)
    starts = frame["bad"][later].astype(int).diff().fillna(0)
    assert own.stretches == (starts > 0).sum() + int(frame["bad"][later].iloc[0])
    logged = [record.fields for record in caplog.records if record.event == "candidate"]
    assert all(f"on {own.stretches} labelled stretches" in each["labels"] for each in logged)


def test_few_held_out_rows_choose_nothing(learnt, monkeypatch, caplog):
    """The first candidate is trained, with a note."""
    monkeypatch.setattr(choice, "_FEW", 10_000)
    auto = replace(learnt.config, model=replace(learnt.config.model, variant="auto"))
    with caplog.at_level(logging.INFO):
        trained = fit_scorer.train_scorer(auto, learnt.ingested, learnt.prepared)
    assert not trained.evidence
    assert trained.scorer.model.settings.variant == "undercomplete"
    assert "too few held-out rows to choose by" in caplog.text
