"""Events and flagged rows in a database, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import sqlalchemy as sa
from postgres import driven, new_database
from verdict_files import CAUSE, event, flag, write_events, write_flagged

from aedetect.delivery import check_url, sync
from aedetect.delivery.database import Synced
from aedetect.delivery.settings import DatabaseSettings
from aedetect.errors import ConfigError, DeliveryError, OutputError
from aedetect.timestamps import parse_instant

FIRST, SECOND = "date=2026-01-03", "date=2026-01-04"
OTHER_EVENTS = (
    "DROP TABLE aedetect_events; "
    "CREATE TABLE aedetect_events (event_id text PRIMARY KEY, rows text, own text NOT NULL)"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/events.db"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def ask(url):
    """Query the database: a list of rows."""
    engine = sa.create_engine(driven(url), poolclass=sa.NullPool)

    def ask(text):
        with engine.begin() as connection:
            result = connection.execute(sa.text(text))
            return [tuple(row) for row in result] if result.returns_rows else []

    yield ask
    engine.dispose()


@pytest.fixture
def output(tmp_path):
    """An output of two days: two flagged rows and one event on the first, none on the second."""
    folder = tmp_path / "output"
    rows = [flag("2026-01-03T05:00:00"), flag("2026-01-03T05:01:00", "west", event_id="e2")]
    write_flagged(folder, FIRST, rows)
    write_flagged(folder, SECOND, [])
    write_events(folder, FIRST, [event("e1", "2026-01-03T05:00:00")])
    return folder


@pytest.fixture
def deliver(url, output):
    """Deliver the output."""

    def deliver(folder=output, detector="pump", **settings):
        return sync(folder, detector=detector, url=url, settings=DatabaseSettings(**settings))

    return deliver


FLAGGED = "SELECT entity, timestamp, score FROM aedetect_flagged ORDER BY 1, 2"
EVENTS = "SELECT event_id FROM aedetect_events ORDER BY 1"


def entity_times(rows):
    """Return entity and time of flagged rows in UTC, for both databases."""
    found = []
    for entity, moment, *_ in rows:
        at = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
        found.append((entity, (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)))
    return found


def test_first_delivery_takes_everything(deliver, ask):
    """Every column of both kinds arrives, causes as JSON."""
    assert deliver() == Synced(partitions=3, withdrawn=0, rows=3)
    at = datetime(2026, 1, 3, 5, tzinfo=UTC)
    assert entity_times(ask(FLAGGED)) == [("east", at), ("west", at.replace(minute=1))]
    columns = "detector, score, p_value, threshold, severity, event_id, model_name, model_version"
    assert ask(f"SELECT {columns} FROM aedetect_flagged WHERE entity = 'east'") == [
        ("pump", 4.5, 0.001, 1.5, "warning", "e1", "pump", 3)
    ]
    columns = "detector, entity, rows, peak_score, severity, text, suppressed, calibration_version"
    assert ask(f"SELECT {columns} FROM aedetect_events") == [
        ("pump", "east", 11, 4.5, "warning", "cpu is 500, 48.5 was expected", None, 1)
    ]
    for table in ("aedetect_flagged", "aedetect_events"):
        (causes,) = ask(f"SELECT causes FROM {table}")[0]
        assert (json.loads(causes) if isinstance(causes, str) else causes) == [CAUSE]


def test_second_delivery_does_nothing(deliver, ask):
    """Delivered rows are not sent again."""
    deliver()
    assert deliver() == Synced(partitions=0, withdrawn=0, rows=0)
    assert len(ask(FLAGGED)) == 2


def test_changed_partition_is_delivered(deliver, output, ask):
    """Changed rows are updated, new ones added, withdrawn ones removed, others unchanged."""
    deliver()
    rows = [flag("2026-01-03T05:00:00", score=9.0), flag("2026-01-03T06:00:00", "west")]
    write_flagged(output, FIRST, rows)
    assert deliver() == Synced(partitions=1, withdrawn=0, rows=2)
    assert [(row[0], row[2]) for row in ask(FLAGGED)] == [("east", 9.0), ("west", 4.5)]
    assert entity_times(ask(FLAGGED))[1][1] == datetime(2026, 1, 3, 6, tzinfo=UTC)
    assert len(ask(EVENTS)) == 1


def test_withdrawn_partition_is_removed(deliver, output, ask):
    """The rows of a removed file are removed, and no others."""
    write_flagged(output, SECOND, [flag("2026-01-04T00:00:00")])
    deliver()
    shutil.rmtree(output / "flagged" / FIRST)
    assert deliver() == Synced(partitions=0, withdrawn=1, rows=0)
    assert entity_times(ask(FLAGGED)) == [("east", datetime(2026, 1, 4, tzinfo=UTC))]
    assert deliver().withdrawn == 0


def test_absent_folder_withdraws_nothing(deliver, output, ask):
    """A disk that is not mounted does not empty the tables."""
    deliver()
    shutil.rmtree(output)
    assert deliver() == Synced(partitions=0, withdrawn=0, rows=0)
    assert len(ask(FLAGGED)) == 2


def test_hours_replace_days(deliver, output, ask):
    """An output with a new partitioning loses and repeats nothing."""
    deliver()
    shutil.rmtree(output / "flagged")
    write_flagged(output, f"{FIRST}/hour=05", [flag("2026-01-03T05:00:00")])
    write_flagged(output, f"{FIRST}/hour=23", [flag("2026-01-03T23:59:59.999999")])
    deliver()
    times = [moment for _, moment in entity_times(ask(FLAGGED))]
    assert times == [
        datetime(2026, 1, 3, 5, tzinfo=UTC),
        datetime(2026, 1, 3, 23, 59, 59, 999999, tzinfo=UTC),
    ]


def test_event_with_an_earlier_start_keeps_its_row(deliver, output, ask):
    """It moves to the partition in which it starts."""
    write_events(output, SECOND, [event("e9", "2026-01-04T00:01:00")])
    deliver()
    write_events(
        output, FIRST, [event("e1", "2026-01-03T05:00:00"), event("e9", "2026-01-03T23:58:00")]
    )
    write_events(output, SECOND, [])
    deliver()
    assert ask(EVENTS) == [("e1",), ("e9",)]


def test_detectors_share_the_tables(deliver, output, tmp_path, ask):
    """Each writes and withdraws its own rows only."""
    deliver()
    other = shutil.copytree(output, tmp_path / "other")
    deliver(other, detector="fan")
    assert len(ask(FLAGGED)) == 4
    shutil.rmtree(other / "flagged" / FIRST)
    deliver(other, detector="fan")
    assert ask("SELECT DISTINCT detector FROM aedetect_flagged") == [("pump",)]
    assert len(ask(EVENTS)) == 2


@pytest.mark.parametrize(
    "time", [pa.timestamp("ns"), pa.timestamp("s"), pa.timestamp("ms", tz="Europe/Berlin")]
)
def test_times_are_in_utc(deliver, output, ask, time):
    """For any unit and zone of the files; without a zone they are UTC."""
    write_flagged(output, FIRST, [flag("2026-01-03T05:00:00")], time=time)
    deliver()
    expected = {("east", datetime(2026, 1, 3, 5, tzinfo=UTC))}  # as pyarrow wrote it
    assert set(entity_times(ask(FLAGGED))) == expected


def test_values_that_databases_refuse_are_replaced(deliver, output, ask):
    """No entity is '', non-finite numbers are null, and names are data: quotes, NUL, paths."""
    cause = {"feature": "a\0'b", "share": 1.0, "observed": float("nan"), "expected": float("inf")}
    names = [None, "../../etc", "x'; DROP TABLE aedetect_events; --", "nul\0", "日本 %s :x"]
    rows = [flag("2026-01-03T05:00:00", name, causes=[cause]) for name in names]
    write_flagged(output, FIRST, rows)
    deliver()
    assert {row[0] for row in ask(FLAGGED)} == {
        "",
        "../../etc",
        "x'; DROP TABLE aedetect_events; --",
        "nul\u24000",
        "日本 %s :x",
    }
    (causes,) = ask("SELECT causes FROM aedetect_flagged")[0]
    found = json.loads(causes) if isinstance(causes, str) else causes
    assert (found[0]["observed"], found[0]["expected"]) == (None, None)


def test_moments_within_a_microsecond_are_rows_of_their_own(deliver, output, ask):
    """Before 1970 too; the nanoseconds beyond the microsecond are a column."""
    entity_times = [1, 0, 999, 1000, 1001]
    day = "date=1969-12-31"
    for partition, since in ((FIRST, parse_instant("2026-01-03T05:00:00")), (day, -1_500)):
        rows = [flag("2026-01-03T05:00:00", "east", event_id=str(n)) for n in entity_times]
        path = write_flagged(output, partition, rows, pa.timestamp("ns"))
        table = pa.parquet.read_table(path)
        times = pa.array([since + n for n in entity_times], pa.timestamp("ns"))
        pa.parquet.write_table(table.set_column(0, "timestamp", times), path)
    deliver()
    found = ask("SELECT timestamp, nanosecond, event_id FROM aedetect_flagged ORDER BY 1, 2")
    assert [(row[1], row[2]) for row in found] == [
        *((500, "0"), (501, "1"), (499, "999"), (500, "1000"), (501, "1001")),
        *((0, "0"), (1, "1"), (999, "999"), (0, "1000"), (1, "1001")),
    ]
    assert ":59.999998" in str(found[0][0])
    assert deliver().rows == 0
    (output / "flagged" / day / "part-0.parquet").unlink()
    assert deliver().withdrawn == 1
    assert len(ask("SELECT * FROM aedetect_flagged")) == 5


def test_names_that_databases_would_take_for_one_are_rows_of_their_own(deliver, output, ask):
    """Names with NUL, with its replacement, empty and absent names."""
    names = ["a\0", "a\u2400", "a\u24000", "a\ufffd", "a", "\u2400", "", None]
    write_flagged(output, FIRST, [flag("2026-01-03T05:00:00", name) for name in names])
    deliver()
    found = [row[0] for row in ask("SELECT entity FROM aedetect_flagged")]
    assert set(found) == {
        *("a\u24000", "a\u2400\u2400", "a\u2400\u24000", "a\ufffd", "a"),
        *("\u2400\u2400", "\u2400", ""),
    }
    assert len(found) == len(names)


def test_a_failed_partition_keeps_the_old_rows(deliver, output, ask):
    """A file that is damaged in the middle changes no row of its partition, and is named."""
    deliver()
    path = write_flagged(output, FIRST, [flag(f"2026-01-03T05:{n:02}:00") for n in range(60)])
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    with pytest.raises(OutputError, match=r"flagged.*part-0\.parquet cannot be read"):
        deliver()
    assert [row[0] for row in ask(FLAGGED)] == ["east", "west"]
    write_flagged(output, FIRST, [flag("2026-01-03T05:00:00")])
    assert deliver().rows == 1


def test_an_old_file_is_refused_by_name(deliver, output):
    """A file that lacks a column must be scored again."""
    path = output / "events" / FIRST / "part-0.parquet"
    table = pa.parquet.read_table(path).drop_columns(["text"])
    pa.parquet.write_table(table, path)
    with pytest.raises(OutputError, match=r"lacks text: run `aedetect score --all --force`"):
        deliver()


def test_prefix_and_schema(deliver, ask, url):
    """The tables have the configured names."""
    schema = None
    if url.startswith("postgresql"):
        schema = "monitoring"
        with pytest.raises(DeliveryError, match='schema "monitoring" does not exist'):
            deliver(schema=schema, prefix="x_")
        ask("CREATE SCHEMA monitoring")
    deliver(schema=schema, prefix="x_")
    place = f"{schema}." if schema else ""
    assert ask(f"SELECT count(*) FROM {place}x_flagged") == [(2,)]
    assert deliver(schema=schema, prefix="x_").partitions == 0


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("ALTER TABLE aedetect_flagged DROP COLUMN severity", "it has no column severity"),
        (
            "ALTER TABLE aedetect_flagged ADD COLUMN plant text",
            None,
        ),
        (
            "DROP TABLE aedetect_partitions; CREATE TABLE aedetect_partitions (id integer)",
            r"it has no column detector; .* primary key",
        ),
        (
            OTHER_EVENTS,
            r"column rows holds text instead of integer.*own may not be null",
        ),
    ],
)
def test_tables_of_another_shape_are_refused(deliver, ask, change, fault):
    """Foreign tables are not written to; an additional column is accepted."""
    deliver()
    for statement in change.split(";"):
        ask(statement)
    if fault is None:
        assert deliver().partitions == 0
        return
    with pytest.raises(ConfigError, match=rf"table aedetect_\w+ must have .* {fault}.* prefix"):
        deliver()


def test_concurrent_runs_do_no_harm(deliver, output, ask):
    """Several runs that deliver the same give the same result, also when they create the tables."""
    write_flagged(output, FIRST, [flag(f"2026-01-03T05:{n:02}:00") for n in range(60)])
    failed = []

    def run():
        for _ in range(3):  # as the flow does
            try:
                deliver()
            except DeliveryError as error:
                failed.append(error)
            else:
                return

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) < 6, failed
    assert len(ask(FLAGGED)) == 60
    assert deliver().partitions == 0


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:canary-1@127.0.0.1:9/plant", r"127\.0\.0\.1:9/plant"),
        ("postgresql://127.0.0.1:9/plant?user=me&password=canary-1", r"127\.0\.0\.1:9/plant"),
        ("sqlite:////nowhere/at/all.db", "/nowhere/at/all.db"),
    ],
)
def test_an_unavailable_database_is_named_without_its_password(tmp_path, url, place):
    """The message has its location and states that nothing is lost."""
    with pytest.raises(DeliveryError, match=rf"at {place} cannot .*[Tt]he next run") as refused:
        sync(tmp_path, detector="pump", url=url, settings=DatabaseSettings())
    assert "canary" not in str(refused.value)


def test_a_wrong_password_is_not_repeated(postgres, tmp_path):
    """The message has the answer of the server, not the password."""
    wrong = postgres.replace("canary-4711", "canary-0815")
    with pytest.raises(DeliveryError, match="password authentication failed") as refused:
        sync(tmp_path, detector="pump", url=wrong, settings=DatabaseSettings())
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("canary", "must be a URL of SQLAlchemy"),
        ("mysql://me:canary@db/plant", "must be of PostgreSQL or SQLite, got mysql"),
        ("postgresql+nothing://me:canary@db/plant", "needs the driver postgresql.nothing"),
        ("postgresql://me:canary@db:port/plant", "must be a URL of SQLAlchemy"),
        ("postgresql://me:canary@db:99999/plant", "must have a port from 1 to 65535, got 99999"),
        ("postgresql://me:ab@canary@db/plant", "must have one @, .* write %40 for @"),
        ("postgresql://me:a b@canary@db/plant", "must have one @, .* write %40 for @"),
        ("postgresql://me:ab?@canary@db/plant", "must have one @, .* write %40 for @"),
        ("postgresql://me:ab@[canary]@db/plant", "must have one @, .* write %40 for @"),
        ("postgresql+psycopg2://me:canary@db/plant", "needs the driver .*pip install .*psycopg"),
        ("postgresql+asyncpg://me:canary@db/plant", "must name a driver that is not asynchronous"),
        ("sqlite+nothing:///canary.db", "needs the driver sqlite.nothing .*; write sqlite://"),
    ],
)
def test_invalid_urls_are_refused(url, reason):
    """Before anything is scored, and without the password."""
    with pytest.raises(ConfigError, match=reason) as refused:
        check_url(url)
    assert "canary" not in str(refused.value)


def test_memory_stays_bounded(deliver, output, ask, url, monkeypatch):
    """A file is delivered in batches: no statement has more rows than one batch."""
    if url.startswith("postgresql"):
        pytest.skip("the same code, and SQLite is faster")
    monkeypatch.setattr("aedetect.delivery.output_files.BATCH_SIZE", 1_000)
    rows = [
        flag(f"2026-01-03T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}", causes=[])
        for n in range(10_500)
    ]
    write_flagged(output, FIRST, rows)
    sizes = []

    def seen(connection, cursor, statement, parameters, context, executemany):
        if executemany:
            sizes.append(len(parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", seen)
    try:
        deliver()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", seen)
    assert max(sizes) == 1_000
    assert ask("SELECT count(*) FROM aedetect_flagged") == [(10_500,)]
