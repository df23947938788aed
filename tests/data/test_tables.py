"""Delta and Iceberg tables: the current snapshot is read, or the table is refused by its reason."""

from __future__ import annotations

import re
import shutil
import sys
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from plant import DAYS, settings, table, verdicts
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.types import DoubleType

from aedetect.config import make_config
from aedetect.data import find_files, open_engine, read_rows
from aedetect.data.iceberg_tables import newest_metadata
from aedetect.data.sql import Query
from aedetect.errors import NoData
from aedetect.jobs.dataset import ingest_rows


def day(number, **changed):
    """The rows of a day, as Arrow."""
    return pa.Table.from_pandas(table(DAYS[number]).assign(**changed), preserve_index=False)


def found(folder):
    """The live files of a table."""
    return find_files([str(folder)], timestamp="time").files


@pytest.fixture
def plant_of_tables(plant):
    """A plant whose input is still empty."""
    shutil.rmtree(plant.incoming)
    return plant


@pytest.fixture
def iceberg(plant_of_tables):
    """An Iceberg table where the plant has its input."""
    catalog = InMemoryCatalog("here", warehouse=str(plant_of_tables.folder / "warehouse"))
    catalog.create_namespace("plant")
    return catalog.create_table("plant.rows", day(0).schema, location=str(plant_of_tables.incoming))


def scored_days(plant):
    """The number of rows and the number of those not scored, by day."""
    rows = verdicts(plant.output)
    return rows.groupby(pd.to_datetime(rows["timestamp"]).dt.date).size().to_dict()


def test_a_delta_table_is_scored_as_it_is_now(plant_of_tables):
    """Appended rows are scored, dead ones are not, and those of removed files are withdrawn."""
    plant, rows = plant_of_tables, len(table(DAYS[0]))
    write_deltalake(plant.incoming, day(0, cpu=900.0))
    write_deltalake(plant.incoming, day(0), mode="overwrite")
    write_deltalake(plant.incoming, day(1), mode="append")
    assert len(list(plant.incoming.glob("*.parquet"))) == 3
    summary = plant.score()
    assert (summary.files, summary.rows, summary.unreadable) == (2, 2 * rows, ())
    assert not any("duplicate" in reason for reason in summary.not_scored)
    before = verdicts(plant.output)
    DeltaTable(plant.incoming).optimize.compact()
    summary = plant.score()
    assert (summary.files, summary.files_deleted) == (1, 2)
    pd.testing.assert_frame_equal(verdicts(plant.output), before)
    DeltaTable(plant.incoming).delete(f"time >= '{DAYS[1]} 00:00:00'")
    summary = plant.score()
    assert summary.withdrawn == (DAYS[1],)
    assert scored_days(plant) == {date.fromisoformat(DAYS[0]): rows}


def test_an_iceberg_table_is_scored_as_it_is_now(plant_of_tables, iceberg):
    """As a Delta table is."""
    plant, rows = plant_of_tables, len(table(DAYS[0]))
    iceberg.append(day(0, cpu=900.0))
    iceberg.overwrite(day(0))
    iceberg.append(day(1))
    assert len(list(plant.incoming.glob("data/*.parquet"))) == 3
    summary = plant.score()
    assert (summary.files, summary.rows, summary.unreadable) == (2, 2 * rows, ())
    assert not any("duplicate" in reason for reason in summary.not_scored)
    iceberg.delete(f"time >= '{DAYS[1]}T00:00:00'")
    summary = plant.score()
    assert summary.withdrawn == (DAYS[1],)
    assert scored_days(plant) == {date.fromisoformat(DAYS[0]): rows}


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_a_table_is_trained_on(plant_of_tables, iceberg, tmp_path, kind):
    """The rows of its current snapshot."""
    given = settings(data={"train": "incoming"})
    config = make_config(given, folder=plant_of_tables.folder)
    if kind == "delta":
        shutil.rmtree(plant_of_tables.incoming)
        write_deltalake(plant_of_tables.incoming, day(0, cpu=900.0))
        write_deltalake(plant_of_tables.incoming, day(1), mode="overwrite")
    else:
        iceberg.append(day(0, cpu=900.0))
        iceberg.overwrite(day(1))
    assert len(ingest_rows(config, tmp_path).rows) == len(table(DAYS[1]))


@pytest.mark.parametrize("name", ["t", "t [1]", "tabelle-ü#?*"])
def test_partition_columns_come_from_the_log(tmp_path, name):
    """Their values are not in the files; what a path holds beside them is no column."""
    rows = pa.table(
        {
            "time": pa.array([0, 1, 2, 3], pa.timestamp("us")),
            "unit": ["a b", "é/x", None, "50%"],
            "flag": [True, False, True, True],
            "v": [0.0, 1.0, 2.0, 3.0],
        }
    )
    write_deltalake(tmp_path / "t", rows, partition_by=["unit", "flag"])
    if name != "t":
        (tmp_path / "t").rename(tmp_path / name)
    files = found(tmp_path / name)
    assert {(file.keys["unit"], file.keys["flag"]) for file in files} == {
        ("a b", "true"),
        ("é/x", "false"),
        (None, "true"),
        ("50%", "true"),
    }
    query = Query(files=files, timestamp="time", entity="unit", categories={"v": ()})
    with open_engine(memory_mb=100, scratch=tmp_path) as connection:
        (read,) = read_rows(connection, query)
    units = [read.names[each] for each in read.entity]
    assert dict(zip(read.values[:, 0], units, strict=True)) == {
        0.0: "a b",
        1.0: "é/x",
        2.0: None,
        3.0: "50%",
    }


def test_folders_of_derived_values_are_no_columns(iceberg):
    """Iceberg keeps columns in the files; a folder unit=east is one, unit_trunc=ea is none."""
    with iceberg.update_spec() as update:
        update.add_identity("unit")
    iceberg.append(day(0))
    files = found(iceberg.location())
    assert sorted(file.keys.get("unit") or "" for file in files) == ["", ""]
    assert {name.split("/")[0] for name in (file.name for file in files)} == {
        "unit=east",
        "unit=west",
    }
    assert all(set(file.columns) == set(day(0).schema.names) for file in files)


@pytest.mark.parametrize("part", ["unit=east", "*/*.parquet", "../*/*/*.parquet"])
def test_a_part_of_a_table_is_refused(tmp_path, part):
    """It holds dead rows as the whole folder does, and the log is not beside it."""
    folder = tmp_path / "tables" / "pump"
    write_deltalake(folder, day(0), partition_by=["unit"])
    with pytest.raises(NoData, match=r"pump is a table of Delta Lake, .* point to this folder"):
        found(folder / part if part == "unit=east" else f"{folder}/{part}".replace("pump/../", ""))


def test_an_iceberg_table_is_refused_below_its_folder(iceberg):
    """Its files are in data/."""
    iceberg.append(day(0))
    with pytest.raises(NoData, match=r"is a table of Apache Iceberg, .* point to this folder"):
        found(f"{iceberg.location()}/data")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    """With the command that installs it."""
    write_deltalake(tmp_path / "t", day(0))
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(NoData, match=r"Delta Lake, .* pip install 'aedetect\[delta\]'"):
        found(tmp_path / "t")
    monkeypatch.setitem(sys.modules, "pyiceberg.table", None)
    (tmp_path / "i" / "metadata").mkdir(parents=True)
    (tmp_path / "i" / "metadata" / "v1.metadata.json").write_text("{}")
    with pytest.raises(NoData, match=r"Iceberg, .* pip install 'aedetect\[iceberg\]'"):
        found(tmp_path / "i")


def test_a_damaged_log_is_no_traceback(tmp_path, iceberg):
    """The table is named, with what the package says."""
    write_deltalake(tmp_path / "t", day(0))
    (log,) = (tmp_path / "t" / "_delta_log").glob("*.json")
    log.write_text("{")
    with pytest.raises(NoData, match=r"current snapshot cannot be read .* restore it, or export"):
        found(tmp_path / "t")
    iceberg.append(day(0))
    for manifest in (tmp_path / "incoming" / "metadata").glob("snap-*.avro"):
        manifest.write_bytes(b"Obj")
    with pytest.raises(NoData, match=r"current snapshot cannot be read .* restore it, or export"):
        found(iceberg.location())


def test_a_table_without_rows_is_named(tmp_path, iceberg):
    """All were deleted, or none was written yet."""
    write_deltalake(tmp_path / "t", day(0))
    DeltaTable(tmp_path / "t").delete()
    for folder in (tmp_path / "t", iceberg.location()):
        with pytest.raises(NoData, match=r"holds a table of .* without rows: write rows"):
            found(folder)


def test_a_live_file_that_is_gone_is_quarantined(tmp_path):
    """The others are read."""
    write_deltalake(tmp_path / "t", day(0), partition_by=["unit"])
    next((tmp_path / "t" / "unit=east").iterdir()).unlink()
    source = find_files([str(tmp_path / "t")], timestamp="time")
    assert [file.keys["unit"] for file in source.files] == ["west"]
    assert "No such file" in source.quarantined[0].reason


def _rewrite_log(folder, old, new, count=1):
    """Change the log as a writer with this feature would have written it; `old` is a pattern."""
    (log,) = (folder / "_delta_log").glob("*0.json")
    text, found = re.subn(old, new, log.read_text(), count=count)
    assert found == count
    log.write_text(text)


def test_a_delta_table_that_reads_otherwise_than_its_files_is_refused(tmp_path):
    """Renamed columns, rows deleted in place, and features that nobody knew yet."""
    names = ("columnMapping", "deletionVectors", "teleportation")
    for name in names:
        write_deltalake(tmp_path / name, day(0))
        _rewrite_log(tmp_path / name, r'\["timestampNtz"\]', f'["timestampNtz","{name}"]', 2)
    for number, column in enumerate(day(0).schema.names, 1):
        key = "delta.columnMapping"
        mapped = f'"metadata":{{"{key}.id":{number},"{key}.physicalName":"{column}"}}'
        field = rf'("name":"{column}".*?)"metadata":{{}}'.replace('"', r'\\"')
        _rewrite_log(tmp_path / "columnMapping", field, r"\1" + mapped.replace('"', r'\\"'))
    _rewrite_log(
        tmp_path / "columnMapping",
        r'"configuration":\{\}',
        '"configuration":{"delta.columnMapping.mode":"name"}',
    )
    assert len(found(tmp_path / "deletionVectors")) == 1  # allowed, and there is none
    vector = (
        '"deletionVector":{"storageType":"i","sizeInBytes":44,"cardinality":6,'
        '"pathOrInlineDv":"^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"}'
    )  # rows 3, 4, 7, 11, 18 and 29
    _rewrite_log(tmp_path / "deletionVectors", '"baseRowId":null', f'"baseRowId":null,{vector}')
    reasons = (
        r"\(column mapping\)",
        r"\(deletion vectors\)",
        r"not known here \(teleportation\)|cannot be read",
    )
    for name, reason in zip(names, reasons, strict=True):
        with pytest.raises(NoData, match=f"{reason}.*export its current snapshot"):
            found(tmp_path / name)


def test_an_iceberg_table_with_renamed_columns_is_refused(iceberg):
    """Files from before have the old names; a column that was only added is missing in them."""
    iceberg.append(day(0))
    with iceberg.update_schema() as update:
        update.add_column("extra", DoubleType())
    assert len(found(iceberg.location())) == 1
    with iceberg.update_schema() as update:
        update.rename_column("cpu", "processor")
    with pytest.raises(NoData, match='its column "cpu" was renamed, dropped or replaced'):
        found(iceberg.location())
    renamed = day(1).rename_columns(["time", "unit", "processor", "load", "disk"])
    iceberg.overwrite(renamed)
    assert len(found(iceberg.location())) == 1


def test_a_copied_iceberg_table_is_refused(iceberg, tmp_path):
    """Its metadata names the files of the original, which may have gone on since."""
    iceberg.append(day(0))
    shutil.copytree(iceberg.location(), tmp_path / "copy")
    with pytest.raises(NoData, match=r"it is a copy of .* point to the original"):
        found(tmp_path / "copy")
    (tmp_path / "link").symlink_to(iceberg.location())
    assert len(found(tmp_path / "link")) == 1


def test_versions_of_an_iceberg_table_are_counted():
    """By number; of two with one number, the hint decides, else nothing is guessed."""
    both = ["t/metadata/00002-a.metadata.json", "t/metadata/00002-b.metadata.json"]
    older = ["t/metadata/00001-c.metadata.json", "t/metadata/version-hint.text"]
    assert newest_metadata([*older, both[0]]) == both[0]
    assert newest_metadata([*older, *both], hint="00002-b") == both[1]
    with pytest.raises(NoData, match=r"not the only one of its number \(00002-a.* and 00002-b"):
        newest_metadata([*older, *both])


def test_a_plain_input_imports_neither_package(tmp_path):
    """They cost time and memory only where such a table is met."""
    import subprocess

    pq.write_table(day(0), tmp_path / "a.parquet")
    code = (
        "import sys; from aedetect.data import find_files; "
        f"find_files([{str(tmp_path)!r}], timestamp='time'); "
        "sys.exit(any(each in sys.modules for each in ('deltalake', 'pyiceberg')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
