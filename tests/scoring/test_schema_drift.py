"""Files compared with training: what does not fit, and what changed but still fits."""

from __future__ import annotations

import numpy as np
import pytest
from plant import DAYS, table, write

from aedetect.config import make_config
from aedetect.jobs import scoring
from aedetect.scoring import schema_drift


def changed(plant, **columns_given):
    """Deliver a day with some columns changed; return what the run reports on them."""
    write(table("2026-01-07").assign(**columns_given), plant.incoming / "new.parquet")
    return plant.score().drift


def test_files_like_the_training_files_are_not_reported(plant):
    """Anomalies in the values concern scores, not columns."""
    assert plant.score().drift == ()


def test_new_column_is_reported_once_per_file(plant):
    """It is named with its type, in the first run with the file, and the file is scored."""
    (change,) = changed(plant, operator="ann")
    assert (change.file, change.column, change.change) == ("new.parquet", "operator", "new")
    assert str(change).startswith('new.parquet: has a new column "operator" (')
    assert plant.score().drift == ()


def test_labels_may_come_and_go(plant):
    """Labels are not an input of the model."""
    write(table("2026-01-07").assign(fault=0), plant.incoming / "new.parquet")
    config = make_config(
        plant.given() | {"data": plant.given()["data"] | {"label": "fault"}}, folder=plant.folder
    )
    assert scoring.run_scoring(config).drift == ()


def test_number_of_another_type_still_fits(plant):
    """A float that became an integer is reported, with both types, and the file is scored."""
    (change,) = changed(plant, disk=np.arange(2880) % 10)
    assert (change.column, change.change) == ("disk", "type")
    assert 'has int64 in "disk", which was double in training' in change.detail


def test_text_instead_of_a_number_does_not_fit(plant):
    """This is not drift: the file is quarantined."""
    write(table("2026-01-07").assign(disk="full"), plant.incoming / "new.parquet")
    summary = plant.score()
    assert (summary.drift, len(summary.schema_mismatch), summary.partitions) == ((), 1, len(DAYS))


@pytest.mark.parametrize(("factor", "word"), [(1000, "larger"), (1 / 1000, "smaller")])
def test_changed_unit_is_reported(plant, factor, word):
    """Watts instead of kilowatts, or the other way around."""
    (change,) = changed(plant, cpu=table("2026-01-07")["cpu"] * factor)
    assert (change.column, change.change) == ("cpu", "unit")
    assert f'"cpu" that are about 1000 times {word} than in training' in change.detail


@pytest.mark.parametrize("factor", [20, 1 / 20, 0, 1e6])
def test_other_factors_are_no_unit(plant, factor):
    """Other anomalies are left to the scores."""
    assert changed(plant, cpu=table("2026-01-07")["cpu"] * factor) == ()


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_outliers_are_no_unit(plant, share):
    """A sensor that jumps for some of the rows did not change its unit."""
    rows = table("2026-01-07")
    rows.loc[rows.index % 10 < share * 10, "cpu"] *= 1000
    assert changed(plant, cpu=rows["cpu"]) == ()


def test_only_the_newest_files_are_looked_into(plant, monkeypatch):
    """A bounded number of files is sampled, for any number of new files."""
    monkeypatch.setattr(schema_drift, "MOST_SAMPLED", 1)
    for day in ("2026-01-06", "2026-01-07"):
        rows = table(day)
        write(rows.assign(cpu=rows["cpu"] * 1000), plant.incoming / f"{day}.parquet")
    assert [change.file for change in plant.score().drift] == ["2026-01-07.parquet"]


def test_timestamps_of_another_kind_do_not_fit(plant):
    """Numbers instead of timestamps are named as the reason."""
    rows = table("2026-01-07")
    write(rows.assign(time=rows["time"].astype("int64")), plant.incoming / "new.parquet")
    assert plant.score().schema_mismatch == (
        'new.parquet: has int64 in "time", which must be a timestamp',
    )
