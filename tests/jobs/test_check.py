"""The command check: what it says of data is what train and score do with them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from aedetect.cli import app
from aedetect.data import Rows, Schema
from aedetect.errors import AedetectError
from aedetect.jobs import training
from aedetect.jobs.check import check_data
from aedetect.jobs.input_counts import count_rows

LATER = "2026-02-01"


@pytest.fixture
def checked(tmp_path, write, configured):
    """Check a training table, and an input when one is given."""

    def checked(frame, later=None, **sections):
        write(frame, tmp_path / "train.parquet")
        if later is not None:
            write(later, tmp_path / "in" / "new.parquet")
            sections["scoring"] = {"input": "in", "output": "out"}
        config = configured(tmp_path, **sections)
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return check_data(config, scratch), config

    return checked


def texts(report, grade="look", data="train"):
    """Subject and text of the findings of one grade."""
    return {
        each.subject: each.text
        for each in report.findings
        if (each.grade, each.data) == (grade, data)
    }


def not_ok(report):
    """Subject and grade of the findings that are not ok."""
    return {each.subject: each.grade for each in report.findings if each.grade != "ok"}


def test_good_data_are_ok(checked, make_frame):
    """Nothing deserves a look, but that a detector of eight hours is young, and knows no drift."""
    report, _ = checked(make_frame(), make_frame(start=LATER, rows=500))
    assert not_ok(report) == {"promise": "look", "drift": "look"}
    assert report.input.rows == 1000


@pytest.mark.parametrize(
    ("rows", "sections"),
    [
        (3, {}),
        (12, {"window": {"length": 16}}),
        (60, {"calibration": {"false_alarm_rate": 1e-5}}),
        (300, {"calibration": {"threshold": "quantile", "quantile": 0.9999}}),
        (300, {"data": {"features": ["nothing"]}}),
    ],
)
def test_what_training_refuses_check_refuses_first(checked, make_frame, rows, sections):
    """With the same text, without training."""
    report, config = checked(make_frame(rows=rows), **sections)
    assert report.grade == "refuse"
    first = report.findings[0]
    assert (first.grade, first.data) == ("refuse", "train")
    with pytest.raises(AedetectError) as refused:
        training.run_training(config)
    assert str(refused.value).split(" and ")[0] == first.text.split(" and ")[0]


def test_a_machine_without_a_value_and_a_sensor_without_one_are_named(checked, make_frame):
    """For training and for the input."""
    frame = make_frame(units=("dead", "deaf", "well"), rows=400)
    frame.loc[frame["unit"] == "dead", ["a", "b"]] = np.nan
    frame.loc[frame["unit"] == "deaf", "b"] = np.nan
    later = make_frame(units=("dead", "deaf", "well"), rows=40, start=LATER)
    later.loc[later["unit"] == "dead", ["a", "b"]] = np.nan
    later.loc[later["unit"] == "deaf", "b"] = np.nan
    report, _ = checked(frame, later)
    assert report.grade == "look"
    train = texts(report)
    assert train["b"].startswith("no value in dead, deaf: none of its rows is trained on")
    assert train["a"].startswith("no value in dead: ")
    given = texts(report, data="input")
    assert given["dead"] == "no column has a value: no row is scored"
    assert given["deaf"] == "b: no value, rows are scored without it"


def test_what_the_input_has_and_training_lacked_is_named(checked, make_frame):
    """New entities, new categories, infinite values, repeated rows, new columns."""
    frame = make_frame().assign(mode=["eco", "fast"] * 500)
    later = make_frame(start=LATER, rows=60, units=("east", "new")).assign(
        mode=["eco", "odd"] * 60, extra=1.0
    )
    later.loc[5, "a"] = np.inf
    later = pd.concat([later, later.iloc[[7, 8]]])
    report, _ = checked(frame, later)
    found = texts(report, data="input")
    assert found["new"] == (
        'not in the training data: 60 rows not scored ([calibration] unseen = "pooled" scores them)'
    )
    assert found["mode"].startswith("61 rows with values that training lacked: anomalies")
    assert found["a"] == "1 rows with infinite values: not scored"
    assert found["rows"].startswith("2 rows repeat an entity and timestamp")
    assert 'has a new column "extra"' in found["new.parquet"]


def test_rows_without_an_entity_are_no_new_entity(checked, make_frame):
    """No setting scores them."""
    later = make_frame(start=LATER, rows=100).astype({"unit": object})
    later.loc[[3, 4], "unit"] = None
    report, _ = checked(make_frame(), later)
    found = texts(report, data="input")
    assert found["unit"] == "2 rows have no value in it: not scored"
    assert "None" not in found


def test_rows_that_are_not_learnt_from_are_named_by_their_cause(checked, make_frame):
    """A moment of the year 9999, none at all, and a filter are three causes."""
    frame = make_frame().astype({"time": "datetime64[us]"})
    frame.loc[0, "time"] = np.datetime64("9999-12-31", "us")
    frame.loc[[1, 2], "time"] = None
    frame.loc[3:6, "a"] = 1000.0
    report, _ = checked(frame, data={"normal": "a < 500"})
    told = [each.text for each in report.findings if each.subject == "data"]
    assert [each for each in told if "rows are" in each or "rows have" in each] == [
        "2 of 1,000 rows have no timestamp: left out",
        "1 of 1,000 rows are not of the years 1678 to 2261: left out",
        (
            "4 of 1,000 rows are not among the normal ones "
            '(normal: a < 500, with a value in "unit"): left out'
        ),
    ]


def test_gaps_are_counted_in_rows(checked, make_frame):
    """Each costs a window less one row, in the input as in training."""
    later = make_frame(start=LATER, rows=100)
    later = later.drop(index=range(40, 60))
    report, _ = checked(make_frame(), later, window={"length": 8})
    text = texts(report, data="input")["gaps"]
    assert text.startswith("21 of 180 rows have fewer than 7 rows before them")


def test_a_file_without_rows_is_no_obstacle(checked, make_frame, tmp_path):
    """Writers that save an empty table often leave the type null."""
    empty = pd.DataFrame({name: [] for name in ("time", "unit", "a", "b")}, dtype=object)
    (tmp_path / "in").mkdir()
    empty.to_parquet(tmp_path / "in" / "empty.parquet", index=False)
    report, _ = checked(make_frame(), make_frame(start=LATER, rows=500))
    assert (not_ok(report), report.input.files) == ({"promise": "look", "drift": "look"}, 2)


def test_an_input_that_cannot_be_scored_at_all_is_refused(checked, make_frame, tmp_path):
    """No file is left; the reason of each stands below."""
    report, _ = checked(make_frame(), make_frame(start=LATER, rows=50).drop(columns="b"))
    assert report.findings[0].text == "no file can be scored"
    assert texts(report, data="input")["new.parquet"] == 'lacks the column "b"'


def test_the_command_ends_with_1_when_something_is_refused(checked, make_frame, tmp_path):
    """And shows the table, the worst first; JSON has the same."""
    checked(make_frame(rows=12), make_frame(start=LATER, rows=50))
    path = tmp_path / "pump.toml"
    path.write_text(
        '[detector]\nname = "pump"\n[data]\ntrain = "train.parquet"\ntimestamp = "time"\n'
        'entity = "unit"\n[scoring]\ninput = "in"\n'
    )
    shown = CliRunner().invoke(app, ["check", str(path)])
    assert shown.exit_code == 1
    assert "refuse  train  training data" in shown.stdout
    assert shown.stdout.rstrip().splitlines()[-2].startswith("refuse: ")
    report = json.loads(CliRunner().invoke(app, ["check", str(path), "--json"]).stdout)
    assert report["grade"] == "refuse"
    assert set(report) == {"grade", "findings", "train", "input"}
    assert set(report["findings"][0]) == {"grade", "data", "subject", "text"}


def test_counts_do_not_depend_on_batches():
    """Wherever the rows are cut: repeats, rows after gaps, cells of each unit."""
    random = np.random.default_rng(0)
    entity = np.sort(random.integers(0, 4, 400)).astype(np.int32)
    values = random.normal(size=(400, 2))
    values[random.random((400, 2)) < 0.1] = np.nan
    table = Rows(
        time=np.cumsum(random.choice([0, 1, 1, 1, 9], 400)),
        entity=entity,
        names=("a", "b", "c", "d"),
        values=values,
    )
    schema = Schema(
        timestamp="t", aware=False, entity="u", features=(), context=(), period=1, max_gap=5
    )
    texts = np.zeros(2, dtype=bool)
    (whole, *others) = (
        count_rows(
            (table.take(slice(at, at + size)) for at in range(0, 400, size)),
            schema,
            texts,
            length=4,
        )
        for size in (400, 1, 2, 7, 100)
    )
    own = table.take(~table.duplicates)
    run = 0
    early = 0
    for row in range(len(own)):
        follows = row and own.entity[row] == own.entity[row - 1]
        run = run + 1 if follows and own.time[row] - own.time[row - 1] <= 5 else 0
        early += run < 3
    assert (whole.rows, whole.duplicates, whole.early) == (400, table.duplicates.sum(), early)
    assert whole.present[0].sum() == (~np.isnan(values)).sum()
    for other in others:
        assert (other.rows, other.duplicates, other.early) == (400, whole.duplicates, early)
        assert other.names == whole.names == ["a", "b", "c", "d"]
        assert other.sizes[0].tolist() == whole.sizes[0].tolist()
        assert other.present[0].tolist() == whole.present[0].tolist()


def test_a_column_of_type_null_is_named(checked, make_frame):
    """A silent sensor, as a writer stores it."""
    later = make_frame(start=LATER, rows=500).assign(b=None)
    report, _ = checked(make_frame(), later)
    assert [each.text for each in report.findings if each.subject == "new.parquet"] == [
        "b: of type null, without a value in all 1,000 rows"
    ]
    assert texts(report, data="input")["east"] == "b: no value, rows are scored without it"


def test_when_it_is_trained_again_is_said(checked, make_frame):
    """And what keeps a new training from learning anything, or from being found due."""
    training_keys = {"on_drift": True, "max_age": "90d"}
    report, _ = checked(make_frame(), training=training_keys)
    said = [each.text for each in report.findings if each.subject == "retraining"]
    assert any("all entities have shifted and when the champion" in text for text in said)
    assert (
        sum("set [training] window" in text or "schedule is not set" in text for text in said) == 2
    )
    report, _ = checked(make_frame(), training={"schedule": "0 3 1 * *", "window": "90d"})
    (text,) = [each.text for each in report.findings if each.subject == "retraining"]
    assert text == 'on "0 3 1 * *", from the rows of the last 90d'
