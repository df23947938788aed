"""Agreement of verdicts with labels."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aedetect.data import find_files
from aedetect.data.settings import DataSettings
from aedetect.errors import ConfigError, NoData
from aedetect.evaluation import evaluate
from aedetect.output.schemas import scores_schema

#         label, score, verdict
ROWS = [
    (True, 9.0, "anomaly"),
    (False, 8.0, "anomaly"),
    (True, 3.0, "normal"),
    (False, 2.0, "normal"),
    (None, 1.0, "normal"),
    (True, None, "not_scored"),
]


@pytest.fixture
def evaluated(tmp_path):
    """Evaluates rows a day apart, whose labels and scores lie in files."""

    def evaluated(rows=ROWS, *, label="bad", scored_as=str, unit=None):
        times = [datetime(2026, 2, 1) + timedelta(hours=24 * day) for day in range(len(rows))]
        labels, scores, verdicts = zip(*rows, strict=True)
        table = pa.table({"time": times, "unit": [unit] * len(rows), "bad": pa.array(labels)})
        pq.write_table(table, tmp_path / "x.parquet")
        names = [None if unit is None else scored_as(unit)] * len(rows)
        nothing = [None] * len(rows)
        columns = [times, names, scores, nothing, verdicts, nothing]
        schema = scores_schema(pa.timestamp("us"))
        arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
        path = tmp_path / "out" / "scores" / "date=2026-02-01" / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path)
        settings = DataSettings(train="", timestamp="time", entity="unit", label=label)
        source = find_files([str(tmp_path / "x.parquet")], timestamp="time")
        return evaluate(source, tmp_path / "out", settings)

    return evaluated


@pytest.mark.parametrize("unit", ["x", 7, None])
def test_agreement_is_counted_row_by_row(evaluated, unit):
    """By hand: of two flags one is right, of two anomalies that were scored one is found."""
    found = evaluated(unit=unit)
    assert (found.rows, found.not_scored, found.anomalous) == (5, 1, 2 / 5)
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert found.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found.false_alarm_rate == pytest.approx(1 / 3)
    assert found.false_alarms_a_day == pytest.approx(1 / 5)


def test_a_suppressed_row_counts_as_scored_and_not_flagged(evaluated):
    """As for the receivers of notifications; its score counts like the others."""
    suppressed = [(truth, score, "suppressed") for truth, score, _ in ROWS[:2]]
    found = evaluated([*suppressed, *ROWS[2:], (True, 7.0, "anomaly")])
    assert (found.rows, found.not_scored) == (6, 1)
    assert (found.precision, found.recall, found.false_alarm_rate) == (1, 1 / 3, 0)


def test_nothing_flagged_has_no_precision(evaluated):
    """It is undefined, not 0 or 1."""
    found = evaluated([(truth, score, "normal") for truth, score, _ in ROWS[:5]])
    assert found.precision != found.precision
    assert found.recall == 0


def test_no_labelled_row_is_refused(evaluated):
    """There is nothing to measure."""
    with pytest.raises(NoData, match='no scored row is labelled anomalous by "bad"'):
        evaluated([(False, 1.0, "normal")] * 3)


@pytest.mark.parametrize("label", [None, "worse"])
def test_no_label_column_is_refused(evaluated, label):
    """The message states the setting."""
    with pytest.raises(ConfigError, match=rf"\[data\] label must name a column .*, got {label}"):
        evaluated(label=label)
