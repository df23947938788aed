"""What is recorded of a training, before any registry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.settings import CalibrationSettings
from aedetect.data import Feature
from aedetect.figures.calibration_plots import draw_calibration, draw_score_distribution
from aedetect.jobs.choice import Evidence
from aedetect.jobs.input_example import make_input_example
from aedetect.jobs.model_card import write_model_card
from aedetect.jobs.training_record import CANDIDATES_FILE, make_record
from aedetect.scoring import score_frame
from aedetect.wording import percent

START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def record(learnt, tmp_path_factory):
    """The record of the tiny training."""
    made = (learnt.config, learnt.ingested, learnt.trained, learnt.detector)
    return make_record(*made, started=START, scratch=tmp_path_factory.mktemp("plots"))


def test_the_record_has_losses_by_epoch_and_of_the_held_out_rows(record, learnt):
    """Under names that MLflow's users know; the held-out loss is none of the epochs'."""
    first = learnt.trained.fitted.epochs[0]
    assert len(record.epochs) == 3
    assert record.epochs[0]["train_loss"] == first.loss
    assert record.epochs[0]["validation_loss"] == first.validation_loss
    assert record.epochs[0]["validation_mse"] == first.validation
    assert 0 < record.metrics["held_out_loss"] < 1
    assert record.metrics["held_out_loss"] not in {e["validation_mse"] for e in record.epochs}
    assert float(record.tags["held_out_loss"]) == pytest.approx(record.metrics["held_out_loss"])


def test_the_pictures_are_png_files(record):
    """Of a readable size."""
    assert [path.name for path in record.pictures] == ["calibration.png", "score_distribution.png"]
    for path in record.pictures:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) >= 300


def test_a_training_is_recorded_without_pictures_when_they_fail(learnt, tmp_path, caplog):
    """Here because their folder is a file; a note says so."""
    (tmp_path / "file").write_text("")
    made = (learnt.config, learnt.ingested, learnt.trained, learnt.detector)
    with caplog.at_level("WARNING"):
        assert make_record(*made, started=START, scratch=tmp_path / "file").pictures == ()
    assert "registered without pictures" in caplog.text


def test_the_card_says_what_data_promise_limits_and_how_to_load(record, learnt):
    """In Markdown, within what MLflow's databases take."""
    card = record.card("pump/7")
    assert card.startswith("# pump/7\n")
    threshold = learnt.detector.calibration.threshold
    for text in (
        "## Data",
        record.tags["trained_from"],
        record.tags["held_out_until"],
        "1,000 of 2 entities: east, west",
        "`a` -1.",
        f"{percent(threshold.rate)} of normal rows",
        f"Threshold {threshold.value:.4g}",
        "first 3 rows",
        'mlflow.pyfunc.load_model("models:/pump/7")',
    ):
        assert text in card
    assert len(card) < 5_000


def test_the_card_of_a_wide_table_is_cut(learnt, record):
    """Not all of a thousand columns are listed, nor all notes."""
    schema = learnt.ingested.schema
    many = tuple(Feature(f"column {n}" + 200 * "x", "number") for n in range(1000))
    wide = replace(learnt.ingested, schema=replace(schema, features=many), notes=("n" * 999,) * 99)
    card = write_model_card(
        "pump/7",
        config=learnt.config,
        ingested=wide,
        trained=learnt.trained,
        detector=learnt.detector,
        tags=record.tags,
    )
    assert len(record.card("pump/7")) < len(card) < 5_000


def test_the_candidates_are_a_table(learnt, tmp_path):
    """A row each, with what spoke for it; without a choice there is none."""
    shapes = learnt.trained.scorer.shapes
    weight = shapes.weight if shapes else 0.0
    first, second = {"spike": 0.25, "drift": 0.75}, {"spike": 0.5, "drift": 0.25}
    evidence = (
        Evidence(variant="undercomplete", shapes=weight, kinds=first, drift=1.0),
        Evidence(
            variant="linear", shapes=9.0, kinds=second, drift=2.0, labelled=0.625, stretches=3
        ),
    )
    chosen = replace(learnt.trained, evidence=evidence)
    made = make_record(
        learnt.config, learnt.ingested, chosen, learnt.detector, started=START, scratch=tmp_path
    )
    assert made.tables == {
        CANDIDATES_FILE: {
            "variant": ["undercomplete", "linear"],
            "shapes": [weight, 9.0],
            "chosen": [True, False],
            "injected": [0.5, 0.375],
            "labelled": [None, 0.625],
            "labelled_stretches": [0, 3],
            "drift": [1.0, 2.0],
            "injected_spike": [0.25, 0.5],
            "injected_drift": [0.75, 0.25],
        }
    }
    assert made.metrics["injected_linear_shapes_9"] == 0.375
    assert made.metrics["labelled_linear_shapes_9"] == 0.625


def test_the_input_example_is_scored_as_it_stands(learnt):
    """Rows of the training data as a caller sends them, a window and a few more."""
    example = make_input_example(learnt.ingested, length=4)
    assert list(example) == ["time", "unit", "a", "b"]
    frame = example.assign(time=pd.to_datetime(example["time"]))
    scored = score_frame(learnt.detector, frame)
    assert scored["score"].notna().tolist() == [False] * 3 + [True] * 5
    rows = learnt.ingested.rows
    np.testing.assert_array_equal(example[["a", "b"]], rows.values[492:500])


def test_the_input_example_of_a_wide_table_has_fewer_rows(learnt):
    """It is an example, and no copy of the data."""
    rows = learnt.ingested.rows.take(slice(0, 20))
    wide = replace(rows, values=np.zeros((20, 50_000)))
    features = tuple(Feature(f"c{number}", "number") for number in range(50_000))
    schema = replace(learnt.ingested.schema, features=features)
    example = make_input_example(replace(learnt.ingested, rows=wide, schema=schema), length=4)
    assert len(example) == 4


@pytest.mark.parametrize(
    ("feature", "values", "shown"),
    [
        (Feature("s", "category", ("off", "on")), [1.0, 0.0, np.nan], ["on", "off", None]),
        (Feature("s", "boolean"), [1.0, 0.0, np.nan], [True, False, None]),
        (Feature("s", "number"), [1.5, np.inf, np.nan], [1.5, None, None]),
        (Feature("s", "number", counter=True), [2.0, np.nan, 3.0], [2.0, 2.0, 5.0]),
    ],
)
def test_the_input_example_has_values_as_files_have_them(learnt, feature, values, shown):
    """Texts, booleans, gaps, and levels of counters."""
    ingested = learnt.ingested
    three = ingested.rows.take(slice(0, 3))
    three = replace(three, values=np.array(values)[:, None])
    schema = replace(ingested.schema, features=(feature,))
    example = make_input_example(replace(ingested, rows=three, schema=schema), length=4)
    assert [None if pd.isna(each) else each for each in example["s"]] == shown


def test_a_calibration_without_spread_is_drawn_too():
    """Equal scores, scores of 0, and one entity."""
    for scores in (np.zeros(50), np.full(50, 2.0), np.arange(50.0)):
        made = fit_calibration(
            HeldOut.of(scores), settings=CalibrationSettings(false_alarm_rate=0.1)
        )
        for figure in (draw_calibration(made), draw_score_distribution(made, [None])):
            figure.canvas.draw()
            assert "50 held-out" in figure.get_suptitle()
