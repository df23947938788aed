"""From files that people have to a configuration that training takes."""

import gzip
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aedetect.config import read_config
from aedetect.errors import AedetectError, ConfigError, NoData
from aedetect.onboarding import InitRequest, initialise

TIMES = pd.date_range("2026-03-01", periods=3_000, freq="5min")


def sensors(seed=0, times=TIMES):
    """A table of two sensors and a meter."""
    random = np.random.default_rng(seed)
    daily = np.sin(np.arange(len(times)) * 2 * np.pi / 288)
    return pd.DataFrame(
        {
            "time": times,
            "flow": 50 + 20 * daily + random.normal(0, 1, len(times)),
            "pressure": 5 + daily + random.normal(0, 0.1, len(times)),
            "energy": np.cumsum(100 + 10 * daily + random.random(len(times))),
        }
    )


@pytest.fixture
def begin(tmp_path):
    """Run init on files in the folder; return what it found, and the configuration."""

    def run(*names, **asked):
        config = tmp_path / "pump.toml"
        shutil.rmtree(tmp_path / "scratch", ignore_errors=True)
        (tmp_path / "scratch").mkdir()
        done = initialise(
            [tmp_path / name for name in names],
            InitRequest(to=config, **asked),
            tmp_path / "scratch",
        )
        return done, read_config(config)

    return run


def written(tmp_path, name="pump-data"):
    """The converted table."""
    return pq.read_table(tmp_path / name)


def test_parquet_is_taken_where_it_is(tmp_path, begin):
    """A meter is found, and the last quarter of the time is left to judge the detector by."""
    (tmp_path / "in").mkdir()
    sensors().assign(unit="a").to_parquet(tmp_path / "in" / "a.parquet")
    both = pd.concat([sensors().assign(unit="a"), sensors(1).assign(unit="b")])
    both.to_parquet(tmp_path / "in" / "a.parquet")
    done, config = begin("in")
    assert (config.data.timestamp, config.data.entity) == ("time", "unit")
    assert (config.data.train, config.scoring.input) == ("in/", "in/")
    assert done.found.counters == ("energy",)
    assert config.data.normal == "time < '2026-03-08 00:00'"
    assert not (tmp_path / "pump-data").exists()


def test_the_text_has_a_reason_beside_each_key(tmp_path, begin):
    """Every line that sets a key ends with a comment."""
    sensors().to_parquet(tmp_path / "pump.parquet")
    begin("pump.parquet")
    lines = (tmp_path / "pump.toml").read_text().splitlines()
    keys = [line for line in lines if " = " in line and not line.startswith("#")]
    assert len(keys) >= 4
    assert all("  # " in line for line in keys)


def test_a_german_export(tmp_path, begin):
    """Semicolons, a decimal comma, a byte order mark, a name twice, spaces, and a text."""
    frame = sensors()
    lines = ["\ufeffZeit; Durchfluss ;Druck;Druck"]
    for row in frame.itertuples():
        cells = f"{row.flow:.3f};{row.pressure:.3f};{row.energy:.1f}".replace(".", ",")
        lines.append(f"{row.time:%d.%m.%Y %H:%M}; {cells}")
    lines[10] = "01.03.2026 00:45;Bad Input;1,5;2,5"
    (tmp_path / "export.csv").write_text("\r\n".join(lines), encoding="utf-8")
    done, config = begin("export.csv")
    table = written(tmp_path)
    assert table.column_names == ["Zeit", "Durchfluss", "Druck", "Druck_2"]
    assert config.data.timestamp == "Zeit"
    np.testing.assert_allclose(table["Durchfluss"][0].as_py(), round(frame.flow[0], 3))
    assert table["Durchfluss"].null_count == 1
    assert str(table.schema.field("Zeit").type) == "timestamp[us]"
    assert any("Bad Input" in doubt for doubt in done.doubts)
    assert any('"Druck" is there twice' in doubt for doubt in done.doubts)


@pytest.mark.parametrize(("unit", "scale"), [("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)])
def test_numbers_since_1970(tmp_path, begin, unit, scale):
    """In any of four units: moments in UTC."""
    frame = sensors()
    frame["time"] = frame["time"].astype("datetime64[ns]").astype("int64") // scale
    frame.to_csv(tmp_path / "epoch.csv", index=False)
    done, _ = begin("epoch.csv")
    assert done.time[1] == f"numbers, {unit} since 1970 (UTC)"
    times = written(tmp_path)["time"]
    assert str(times.type) == "timestamp[us, tz=UTC]"
    assert times.to_pandas().dt.tz_localize(None).tolist() == TIMES.tolist()


def test_offsets_that_change_are_moments(tmp_path, begin):
    """When the clock is changed, the same hour comes with two offsets."""
    frame = sensors()
    local = frame["time"] + pd.Timedelta("27D")
    frame["time"] = local.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin").astype(str)
    frame.to_csv(tmp_path / "zoned.csv", index=False)
    done, _ = begin("zoned.csv")
    assert "+01:00, +02:00" in done.time[1]
    assert written(tmp_path)["time"].to_pandas().dt.tz_localize(None).tolist() == local.tolist()
    assert any("[data] timezone" in doubt for doubt in done.doubts)


def test_a_file_for_each_pump(tmp_path, begin):
    """The same columns at the same times: the name of the file is the entity."""
    (tmp_path / "pumps").mkdir()
    for number in (1, 2):
        frame = sensors(number)
        with gzip.open(tmp_path / "pumps" / f"pump{number}.csv.gz", "wt") as stream:
            frame.to_csv(stream, index=False)
    _, config = begin("pumps")
    assert config.data.entity == "entity"
    counts = written(tmp_path)["entity"].value_counts().to_pylist()
    assert {each["values"]: each["counts"] for each in counts} == {"pump1": 3000, "pump2": 3000}


def test_a_file_for_each_day_is_one_series(tmp_path, begin):
    """The same columns one after the other."""
    (tmp_path / "days").mkdir()
    for day, frame in sensors().groupby(TIMES.date):
        frame.to_csv(tmp_path / "days" / f"{day}.csv", index=False)
    _, config = begin("days")
    assert config.data.entity is None
    assert written(tmp_path).num_rows == len(TIMES)


def test_a_file_for_each_variable_as_azure_had_it(tmp_path, begin):
    """In a zip archive: one wide table."""
    with zipfile.ZipFile(tmp_path / "mvad.zip", "w") as archive:
        for name in ("flow", "pressure"):
            frame = sensors()[["time", name]].set_axis(["timestamp", "value"], axis=1)
            frame["timestamp"] = frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
            archive.writestr(f"{name}.csv", frame.to_csv(index=False))
    done, _ = begin("mvad.zip")
    table = written(tmp_path)
    assert done.arrangement.layout == "variables"
    assert table.column_names == ["timestamp", "flow", "pressure"]
    np.testing.assert_allclose(table["flow"].to_numpy(), sensors()["flow"], rtol=1e-12)


def test_components_labels_and_a_schedule_as_lookout_had_them(tmp_path, begin):
    """Components become one wide table, labels a column, planned work a file of maintenance."""
    for component, columns in (("motor", ["flow"]), ("gear", ["pressure", "energy"])):
        folder = tmp_path / "equipment" / "train-data" / component
        folder.mkdir(parents=True)
        own = sensors()[["time", *columns]].rename(columns={"time": "Timestamp"})
        for part, rows in enumerate((own[:1000], own[1000:])):
            rows.to_csv(folder / f"{component}_{part}.csv", index=False)
    labels = tmp_path / "equipment" / "label-data"
    labels.mkdir()
    (labels / "labels.csv").write_text("2026-03-03T00:00:00.000000,2026-03-03T12:00:00.000000\n")
    (tmp_path / "equipment" / "schedule.csv").write_text(
        "2026-03-05T00:00:00,2026-03-05T02:00:00\n"
    )
    done, config = begin("equipment")
    table = written(tmp_path).to_pandas()
    assert done.arrangement.layout == "components"
    assert set(table.columns) == {"Timestamp", "flow", "pressure", "energy", "is_anomaly"}
    assert table["is_anomaly"].sum() == 12 * 12 + 1  # from start to end, both inclusive
    assert not table.isna().any().any()
    assert config.data.label == "is_anomaly"
    (maintenance,) = config.maintenance
    assert (
        Path(maintenance).read_text().splitlines()[1] == "2026-03-05T00:00:00,2026-03-05T02:00:00"
    )


def test_a_row_a_reading_becomes_a_column_a_variable(tmp_path, begin):
    """JSON lines of a historian."""
    long = sensors().melt("time", var_name="tag", value_name="value")
    lines = (
        json.dumps({"time": f"{row.time:%Y/%m/%d %H:%M}", "tag": row.tag, "value": row.value})
        for row in long.itertuples()
    )
    (tmp_path / "long.jsonl").write_text("\n".join(lines))
    _, config = begin("long.jsonl")
    table = written(tmp_path)
    assert table.column_names == ["time", "energy", "flow", "pressure"]
    assert (table.num_rows, config.data.entity) == (len(TIMES), None)


def test_names_say_what_is_trained_on(tmp_path, begin):
    """The label may be in what is scored only."""
    sensors().to_csv(tmp_path / "train.csv", index=False)
    later = sensors(times=TIMES + pd.Timedelta("20D"))
    later.assign(is_anomaly=(np.arange(len(later)) < 50).astype(int)).to_csv(
        tmp_path / "test.csv", index=False
    )
    _, config = begin("train.csv", "test.csv")
    assert (config.data.train, config.scoring.input) == (
        "pump-data/train.parquet",
        "pump-data/test.parquet",
    )
    assert (config.data.label, config.data.normal) == ("is_anomaly", None)


def test_words_for_faults_are_not_trained_on(tmp_path, begin):
    """A status of people is no feature, and tells normal rows."""
    frame = sensors()
    frame["machine_status"] = np.where(np.arange(len(frame)) % 100 < 95, "NORMAL", "BROKEN")
    frame.to_csv(tmp_path / "status.csv", index=False)
    _, config = begin("status.csv")
    assert config.data.normal.startswith("machine_status = 'NORMAL' AND time < ")


def test_converting_again_leaves_the_configuration(tmp_path, begin):
    """The same files give the same bytes; further ones are added."""
    (tmp_path / "days").mkdir()
    sensors()[:1500].to_csv(tmp_path / "days" / "1.csv", index=False)
    begin("days")
    config = tmp_path / "pump.toml"
    config.write_text(config.read_text() + "\n[window]\nlength = 8\n")
    text, before = config.read_text(), (tmp_path / "pump-data" / "1.parquet").read_bytes()
    sensors()[1500:].to_csv(tmp_path / "days" / "2.csv", index=False)
    begin("days", data_only=True)
    assert config.read_text() == text
    assert (tmp_path / "pump-data" / "1.parquet").read_bytes() == before
    assert written(tmp_path).num_rows == len(TIMES)


def test_nothing_is_written_over(tmp_path, begin):
    """Unless it is asked for."""
    sensors().to_csv(tmp_path / "a.csv", index=False)
    begin("a.csv")
    with pytest.raises(ConfigError, match="exists: name another file with --to"):
        begin("a.csv")
    begin("a.csv", force=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "empty.csv is empty"),
        ("head.csv", b"time,flow\n", "has a header and no row"),
        ("none.csv", b"a,b\n1,2\n3,4\n", 'no column with timestamps, but "a", "b"'),
        ("binary.csv", b"\x00\x01\x02\x03" * 50, "is not text"),
        ("bad.zip", b"PK\x03\x04 no archive", "is not a readable zip archive"),
        ("sheet.xlsx", b"PK\x03\x04", "is a spreadsheet: save each sheet as CSV"),
        ("notes.md", b"# hello", "no table in"),
        ("broken.jsonl", b'{"a": 1,\n{"a"', "cannot be read as json"),
        ("broken.parquet", b"PAR1 and no more", "cannot be read as parquet"),
    ],
)
def test_what_is_no_table_is_refused_with_a_remedy(tmp_path, begin, name, content, message):
    """The file is named."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AedetectError, match=message):
        begin(name)


def test_a_folder_without_a_table_says_what_is_needed(tmp_path, begin):
    """To leave out the only file helps nobody."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("hello\n")
    with pytest.raises(AedetectError, match="no row: give tables with a row a timestamp, as"):
        begin("in")
    (tmp_path / "in" / "more.csv").write_text("")
    with pytest.raises(AedetectError, match=r"none of the 2 files is a table; first: more\.csv is"):
        begin("in")


def test_a_path_that_is_not_there(begin):
    """It is named."""
    with pytest.raises(NoData, match="no such file or folder"):
        begin("nowhere")


def test_an_archive_cannot_write_elsewhere(tmp_path, begin):
    """Names that lead out of it are refused."""
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../out.csv", "time,a\n2026-01-01 00:00,1\n")
    with pytest.raises(AedetectError, match="leads out of the archive"):
        begin("evil.zip")
    assert not (tmp_path / "out.csv").exists()


def test_day_or_month_first_is_a_doubt(tmp_path, begin):
    """Where every date can be read both ways."""
    rows = [f"{d:02}/{m:02}/2026 {h:02}:00,{h}" for m in (1, 2) for d in (1, 2) for h in range(24)]
    (tmp_path / "us.csv").write_text("date,v\n" + "\n".join(rows))
    done, _ = begin("us.csv")
    assert any("the files cannot tell" in doubt for doubt in done.doubts)


def test_lines_with_too_many_cells_are_named(tmp_path, begin):
    """They are left out, and counted."""
    lines = sensors().to_csv(index=False).splitlines()
    lines[7] += ",9,9"
    (tmp_path / "ragged.csv").write_text("\n".join(lines))
    done, _ = begin("ragged.csv")
    assert any("1 line with another number of cells" in doubt for doubt in done.doubts)
    assert written(tmp_path).num_rows == len(TIMES) - 1


def dated(tmp_path, times, form, name="pump.csv"):
    """Write a file with dates in some format."""
    table = sensors(times=times)
    table["time"] = times.strftime(form)
    table.to_csv(tmp_path / name, index=False)


def test_days_that_follow_each_other_decide_on_day_or_month(tmp_path, begin):
    """Of two readings of the same texts the one without months between the days is taken."""
    times = TIMES[:600]
    dated(tmp_path, times, "%m/%d/%Y %H:%M")
    done, _ = begin("pump.csv")
    assert pd.to_datetime(written(tmp_path)["time"].to_pandas()).max() == times[-1]
    (doubt,) = [each for each in done.doubts if "day or month may come first" in each]
    assert "03/01/2026 is taken for 1 March" in doubt
    assert "--dates day-first" in doubt


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p"])
def test_all_files_decide_on_day_or_month(tmp_path, begin, form):
    """One file a day: those up to the 12th are read as the others, in which the day is clear."""
    (tmp_path / "in").mkdir()
    times = pd.date_range("2026-03-10", periods=6 * 288, freq="5min")
    for day in range(6):
        dated(tmp_path, times[288 * day :][:288], form, f"in/pump_{day}.csv")
    done, _ = begin("in")
    assert (done.roles.first, done.roles.last) == (times[0], times[-1])
    assert not any("come first" in doubt for doubt in done.doubts)


def test_dates_that_nothing_decides_are_asked_for(tmp_path, begin):
    """The 3rd of April or the 4th of March: the option decides, and the text names it."""
    times = pd.date_range("2026-04-03", periods=288, freq="5min")
    dated(tmp_path, times, "%d/%m/%Y %H:%M")
    done, _ = begin("pump.csv")
    assert any("the files cannot tell" in doubt for doubt in done.doubts)
    done, _ = begin("pump.csv", dates="month-first", force=True)
    again, _ = begin("pump.csv", data_only=True)  # as it was said before
    assert again.doubts == done.doubts
    assert again.time == done.time
    assert done.roles.first == pd.Timestamp("2026-03-04")
    assert done.time[1] == "text, MM/DD/YYYY hh:mm"
    assert not any("come first" in doubt for doubt in done.doubts)


def test_dates_that_are_clear_are_not_read_as_asked(tmp_path, begin):
    """The option cannot turn the 31st into a month."""
    dated(tmp_path, pd.date_range("2026-03-30", periods=600, freq="5min"), "%d/%m/%Y %H:%M")
    done, _ = begin("pump.csv", dates="month-first")
    assert done.roles.first == pd.Timestamp("2026-03-30")
    assert any("some dates can only be day-first" in doubt for doubt in done.doubts)


def test_a_time_without_end_does_not_decide_how_long_the_history_is(tmp_path, begin):
    """The year 9999 stands for none in many systems: three quarters of it would be everything."""
    table = sensors()
    table["time"] = table["time"].astype(object)
    table.loc[5, "time"] = pd.Timestamp("9999-12-31").to_pydatetime()
    times = pa.array(table["time"], pa.timestamp("us"))
    given = pa.Table.from_pandas(table.drop(columns="time")).append_column("time", times)
    pq.write_table(given, tmp_path / "pump.parquet")
    done, config = begin("pump.parquet")
    assert (done.roles.last, done.roles.beyond) == (TIMES[-1], 1)
    assert config.data.normal == "time < '2026-03-08 00:00'"
    assert any(each.startswith("1 row with a time") for each in done.doubts)


def test_states_without_a_fault_are_all_trained_on(tmp_path, begin):
    """Whatever their shares add up to in binary."""
    table = sensors()
    table["mode"] = np.repeat(["normal", "standby", "boost"], [2531, 311, 158])
    table.to_parquet(tmp_path / "pump.parquet")
    done, config = begin("pump.parquet")
    assert not done.roles.states[0].faulty
    assert "mode" not in config.data.normal


def test_iso_dates_are_joined_with_times_of_day(tmp_path, begin):
    """Though dates alone are timestamps too."""
    table = sensors()
    table.insert(1, "clock", TIMES.strftime("%H:%M:%S"))
    table["time"] = TIMES.strftime("%Y-%m-%d")
    table.to_csv(tmp_path / "pump.csv", index=False)
    _, config = begin("pump.csv")
    assert pd.to_datetime(written(tmp_path)[config.data.timestamp].to_pandas()).is_unique
