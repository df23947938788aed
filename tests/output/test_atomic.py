"""Files are written aside and renamed; footers record their origin."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aedetect.errors import OutputError
from aedetect.output import Origin, aside, publish, written
from aedetect.output.atomic import publish_all, read_origin, sync_paths, withdraw
from aedetect.output.scratch import sweep
from aedetect.output.table_writer import ROW_GROUP, TableWriter

ORIGIN = Origin(
    model_name="pump",
    model_version=3,
    calibration_version=2,
    config_hash="c0ffee",
    lookback=1_500,
    max_gap=300,
    inputs={"a.parquet": "0a", "b.parquet": "0b"},
)
SCHEMA = pa.schema([("n", pa.int32())])


def write(path, *, batch_rows, rows=ROW_GROUP * 2 + 10, origin=ORIGIN):
    """Write rows in batches of some size."""
    numbers = pa.array(range(rows), pa.int32())
    writer = TableWriter(path, SCHEMA, origin)
    for start in range(0, rows, batch_rows):
        column = numbers.slice(start, batch_rows)
        writer.write(pa.RecordBatch.from_arrays([column], schema=SCHEMA))
    writer.close()
    return path


def test_batches_do_not_show_in_the_bytes(tmp_path):
    """Row groups are cut at the same rows whatever the size of the batches."""
    files = [write(tmp_path / f"{n}.parquet", batch_rows=n) for n in (7_001, ROW_GROUP, 300_000)]
    assert len({path.read_bytes() for path in files}) == 1
    metadata = pq.read_metadata(files[0])
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups == [ROW_GROUP, ROW_GROUP, 10]


def test_only_files_of_many_rows_are_compressed(tmp_path):
    """By their number alone: equal rows give equal bytes, whatever the size of the batches."""
    for rows, compression in ((0, None), (256, "UNCOMPRESSED"), (257, "ZSTD")):
        files = [
            write(tmp_path / f"{rows}-{n}.parquet", batch_rows=n, rows=rows) for n in (10, 1_000)
        ]
        assert len({path.read_bytes() for path in files}) == 1
        metadata = pq.read_metadata(files[0])
        if compression is not None:
            assert metadata.row_group(0).column(0).compression == compression


def test_rows_come_back_in_order(tmp_path):
    """No row is lost or moved where a row group ends."""
    path = write(tmp_path / "x.parquet", batch_rows=9_999)
    assert pq.read_table(path)["n"].to_pylist() == list(range(ROW_GROUP * 2 + 10))


def test_file_without_rows_has_columns_and_origin(tmp_path):
    """A day on which nothing was flagged is a file too."""
    path = write(tmp_path / "x.parquet", batch_rows=1, rows=0)
    assert pq.read_table(path).schema.names == ["n"]
    assert read_origin(path) == ORIGIN


def test_origin_does_not_depend_on_the_order_of_its_inputs(tmp_path):
    """Equal origins give equal bytes."""
    turned = replace(ORIGIN, inputs=dict(reversed(ORIGIN.inputs.items())))
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, origin in zip(paths, (ORIGIN, turned), strict=True):
        write(path, batch_rows=10, rows=10, origin=origin)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("footer", [None, b"{}", b"not JSON", b'{"model_name": "pump"}'])
def test_file_without_an_origin_is_refused(tmp_path, footer):
    """A foreign Parquet file, or one with another footer, is named."""
    path = tmp_path / "foreign.parquet"
    table = pa.table({"n": [1]})
    pq.write_table(table.replace_schema_metadata({"aedetect": footer} if footer else None), path)
    with pytest.raises(OutputError, match=r"foreign\.parquet was not written by aedetect"):
        read_origin(path)


def test_file_that_is_no_parquet_is_refused(tmp_path):
    """A file that cannot be read at all is refused with the same message."""
    path = tmp_path / "half.parquet"
    path.write_bytes(write(tmp_path / "x.parquet", batch_rows=10, rows=10).read_bytes()[:-9])
    with pytest.raises(OutputError, match="or is damaged"):
        read_origin(path)


def test_folder_aside_goes_away(tmp_path):
    """Nothing remains, even after an error."""
    with aside(tmp_path) as folder:
        (folder / "half").write_text("half")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), aside(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_sweep_leaves_what_is_in_use(tmp_path):
    """Leftovers of a killed run are removed; the folder of an active run stays."""
    left = tmp_path / ".aside" / "left"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    with aside(tmp_path) as folder:
        sweep(tmp_path)
        assert list((tmp_path / ".aside").iterdir()) == [folder]
    assert not (tmp_path / ".aside").exists()


def test_sweep_without_leftovers_creates_nothing(tmp_path):
    """An output that does not exist is clean."""
    sweep(tmp_path / "output")
    assert list(tmp_path.iterdir()) == []


def test_publish_replaces_in_one_step(tmp_path):
    """The old file exists until the new one replaces it."""
    source, target = tmp_path / "new", tmp_path / "a" / "b" / "file"
    for text in ("first", "second"):
        source.write_text(text)
        publish(source, target)
        assert (target.read_text(), source.exists()) == (text, False)


def test_withdraw_removes_folders_that_become_empty(tmp_path):
    """Folders with other content stay, and so does the root."""
    root = tmp_path / "scores"
    for hour in ("00", "01"):
        (root / "date=1" / f"hour={hour}").mkdir(parents=True)
        (root / "date=1" / f"hour={hour}" / "part").write_text("x")
    withdraw(root / "date=1" / "hour=00" / "part", root=root)
    assert [path.name for path in (root / "date=1").iterdir()] == ["hour=01"]
    withdraw(root / "date=1" / "hour=01" / "part", root=root)
    assert list(root.iterdir()) == []


def test_withdraw_of_what_is_gone_is_done(tmp_path):
    """Two runs may withdraw the same file."""
    withdraw(tmp_path / "scores" / "date=1" / "part", root=tmp_path / "scores")


def test_failed_write_names_the_remedy(tmp_path):
    """The operating system's reason is in the message, with the folder."""
    with (
        pytest.raises(OutputError, match=r"out cannot be written \(No such file.*free space"),
        written(tmp_path / "out"),
    ):
        (tmp_path / "out" / "file").write_text("x")


def test_failed_write_lets_go_of_the_file_at_once(tmp_path):
    """Nothing waits for garbage collection: the file is closed when the body has failed."""
    path, held = tmp_path / "x.parquet", []
    group = pa.array(range(ROW_GROUP), pa.int32())

    def fail():
        with TableWriter(path, SCHEMA, ORIGIN) as writer:
            held.append(writer)
            writer.write(pa.RecordBatch.from_arrays([group], schema=SCHEMA))
            assert str(path) in open_files()
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail()
    assert held
    assert str(path) not in open_files()


def open_files():
    """Return what this process holds open."""
    return {os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()}


def test_files_are_published_together(tmp_path):
    """Each is in its place, whatever is there before, and none is left aside."""
    pairs = [(tmp_path / str(n), tmp_path / f"out/{n}/file") for n in range(20)]
    for source, target in pairs[:10]:
        target.parent.mkdir(parents=True)
        target.write_text("old")
        source.write_text("new")
    for source, _ in pairs[10:]:
        source.write_text("new")
    sync_paths(source for source, _ in pairs)
    publish_all(pairs)
    assert {target.read_text() for _, target in pairs} == {"new"}
    assert not any(source.exists() for source, _ in pairs)
    with pytest.raises(FileNotFoundError):
        sync_paths([tmp_path / "out", tmp_path / "gone"])
