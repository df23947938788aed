"""Footers that lie and pages that are damaged: nothing is read as what it is not."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plant import DAYS, ROWS, table

from aedetect.data import find_files, page_checksums
from aedetect.data.sources import open_file
from aedetect.errors import UnreadableFile
from aedetect.jobs import scoring
from aedetect.output.partitions import Span
from aedetect.scoring.plan import make_plan
from aedetect.scoring.worker import compute_partition


def stored(path, **options):
    """A day of the plant, with the time column's moments as plain bytes in the footer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_pandas(table(DAYS[0], days=2), preserve_index=False)
    pq.write_table(rows, path, compression="none", use_dictionary=False, **options)
    return rows


def lie(path, true, false):
    """Replace a moment (us) in the footer."""
    raw = path.read_bytes()
    foot = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    before, after = (moment.to_bytes(8, "little") for moment in (true, false))
    path.write_bytes(raw[:foot] + raw[foot:].replace(before, after))


@pytest.mark.parametrize("side", ["low", "high"])
def test_a_footer_that_hides_rows_sets_its_file_aside(plant, side):
    """Also where it hides them within one day; the others are scored."""
    path = plant.incoming / "f.parquet"
    times = stored(path)["time"].to_numpy().astype("datetime64[us]").astype("int64")
    low, high = int(times.min()), int(times.max())
    lie(path, *((low, low + 10**9) if side == "low" else (high, low + 43_200 * 10**6)))
    (aside,) = find_files([str(plant.incoming)], timestamp="time").quarantined
    assert str(aside) == (
        'f.parquet: has a footer that is not true of its column "time": write it again'
    )
    summary = plant.score()
    assert (summary.status, summary.partitions) == ("partial", 3)
    assert summary.unreadable == (str(aside),)


def test_every_row_in_is_a_verdict_out(plant):
    """Counted by partition; one that would hold other rows than its files is left as it is."""
    found = find_files([str(plant.incoming)], timestamp="time")
    prints = dict.fromkeys((file.name for file in found.files), "f")
    plan = make_plan(found, prints, {}, by="day", lookback=0, span=Span())
    assert next(unit.expected for unit in plan.compute) == ROWS
    assert sum(unit.expected for unit in plan.compute) == sum(file.rows for file in found.files)
    model = scoring.resolve_model(plant.config())
    less = replace(plan.compute[0], expected=7)
    with pytest.raises(UnreadableFile, match=f"gave {ROWS} rows of {DAYS[0]}, but has 7"):
        compute_partition(less, model=model, output=plant.output)
    assert not (plant.output / "scores").exists()


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_page_that_is_not_what_its_checksum_says_is_found(tmp_path, version, compression):
    """By aedetect wherever pyarrow finds it when asked to; a whole file passes."""
    path = tmp_path / "f.parquet"
    rows = pa.table(
        {
            "time": pa.array(np.arange(5000), pa.timestamp("s")),
            "x": np.random.default_rng(0).normal(size=5000),
            "text": pa.array(["a", "b", None, "c", "d"] * 1000).dictionary_encode(),
        }
    )
    how = {"compression": compression, "data_page_version": version, "data_page_size": 4096}
    pq.write_table(rows, path, write_page_checksum=True, row_group_size=2000, **how)
    raw, picked = path.read_bytes(), np.random.default_rng(1)
    assert find_files([str(path)], timestamp="time").quarantined == ()
    foot = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    found = 0
    for number in range(30):
        bad = bytearray(raw)
        bad[picked.integers(4, foot)] ^= 0x40
        (tmp_path / f"{number}").mkdir()
        for name, content in (("bad", bad), ("good", raw)):
            (tmp_path / f"{number}" / f"{name}.parquet").write_bytes(content)
        source = find_files([str(tmp_path / f"{number}")], timestamp="time")
        assert "good.parquet" in [file.name for file in source.files]
        try:
            pq.read_table(io.BytesIO(bad), page_checksum_verification=True)
        except (OSError, pa.ArrowException):
            found += 1
            assert [each.name for each in source.quarantined] == ["bad.parquet"]
    assert found > 15


def test_files_without_checksums_are_not_read_for_them(tmp_path, monkeypatch):
    """Most files have none."""
    stored(tmp_path / "f.parquet")
    monkeypatch.setattr(page_checksums, "_is_whole", lambda *_: pytest.fail("was read"))
    with open_file(str(tmp_path / "f.parquet")) as stream:
        metadata = pq.ParquetFile(stream).metadata
        assert page_checksums.damaged_column(stream, metadata) is None


FAR = ("9999-12-31", "0001-01-01", "2300-01-01")


@pytest.mark.parametrize("moment", [*FAR, "infinity"])
def test_a_moment_too_far_off_is_a_row_without_verdict(plant, moment):
    """Said by that reason; all other rows of its file are scored."""
    path = plant.incoming / f"{DAYS[0]}.parquet"
    rows = table(DAYS[0])
    times = rows["time"].to_numpy().astype("datetime64[us]").copy()
    times[17] = np.datetime64(moment, "us") if moment in FAR else np.int64(2**63 - 1)
    pq.write_table(
        pa.Table.from_pandas(rows.drop(columns="time"), preserve_index=False).add_column(
            0, "time", pa.array(times)
        ),
        path,
    )
    summary = plant.score()
    assert summary.unreadable == ()
    assert summary.undated == (
        f"{path.name}: 1 of {ROWS} rows are not of the years 1678 to 2261 and get no verdict",
    )
    scores = pd.read_parquet(plant.output / "scores" / f"date={DAYS[0]}")
    assert len(scores) == ROWS - 1


def test_a_file_of_year_9999_alone_is_named(plant):
    """It holds back no other."""
    far = table(DAYS[0]).iloc[:3].assign(time=np.array(["9999-12-31"] * 3, "datetime64[us]"))
    far.to_parquet(plant.incoming / "open.parquet")
    summary = plant.score()
    assert (summary.status, summary.partitions) == ("done", 3)
    assert summary.undated[0].startswith("open.parquet: 3 of 3 rows are not of the years")
