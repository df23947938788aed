"""The dashboards for Grafana: their queries run on a real PostgreSQL that a real run has filled.

Grafana itself is not there: its macros and variables are replaced here as its manual of the
PostgreSQL data source says.
"""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from plant import Plant
from postgres import driven, new_database

from aedetect.delivery import sync
from aedetect.delivery.settings import DatabaseSettings

BOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[2] / "docs" / "dashboards").glob("*.json"))
}
PANELS = {
    f"{name}: {panel['title']}": (board, panel)
    for name, board in BOARDS.items()
    for panel in board["panels"]
}
FROM, TO = "'2026-01-01T00:00:00Z'", "'2026-02-01T00:00:00Z'"
NOW = datetime(2026, 1, 6, tzinfo=UTC)
SECONDS = r"floor(extract(epoch from \1)/86400)*86400"
MACROS = {
    r"\$__timeFilter\(([\w.]+)\)": rf"\1 BETWEEN {FROM} AND {TO}",
    r"\$__timeFrom\(\)": FROM,
    r"\$__timeTo\(\)": TO,
    r"\$__timeGroupAlias\(([\w.]+), ?'1d'\)": rf'{SECONDS} AS "time"',
    r"\$__timeGroup\(([\w.]+), ?'1d'\)": SECONDS,
    r"\$\{prefix:raw\}": "aedetect_",
    r"\$\{detector:sqlstring\}": "'plant'",
    r"\$\{entity:sqlstring\}": "'east','west','north'",
}
BLANK = {"error", "at least", "at most", "shift"}  # no error; too few days to know an interval
EMPTY = {"Alerts and warnings of runs"}  # may be, where nothing is wrong


@pytest.fixture(scope="module")
def plant_scored(tmp_path_factory, trained, arrived):
    """The output of a scored plant, and what its run came to."""
    folder = tmp_path_factory.mktemp("dashboards")
    shutil.copytree(arrived, folder / "incoming")
    shutil.copy(trained.folder / "train.parquet", folder)
    plant = Plant(folder=folder, uri=trained.uri)
    return plant.output, plant.score(clock=lambda: NOW)


@pytest.fixture(scope="module")
def database(postgres):
    """The URL of an empty database."""
    return new_database(postgres)


@pytest.fixture(scope="module")
def ask(database, plant_scored):
    """Query a database that holds what the plant's run has written: column names and rows."""
    output, _ = plant_scored
    for _again in range(2):  # the second finds all up to date
        sync(output, detector="plant", url=database, settings=DatabaseSettings())
    engine = sa.create_engine(driven(database))

    def ask(text):
        with engine.connect() as connection:
            result = connection.exec_driver_sql(text.replace("%", "%%"))
            return list(result.keys()), [tuple(row) for row in result]

    yield ask
    engine.dispose()


def expanded(text):
    """Replace Grafana's macros and variables; none is left."""
    for macro, meaning in MACROS.items():
        text = re.sub(macro, meaning, text)
    assert "$" not in text, text
    return text


@pytest.mark.parametrize("name", PANELS)
def test_panels_show_what_their_queries_give(ask, name):
    """Each query gives rows, a time where it is of a time series, and each named column."""
    _, panel = PANELS[name]
    given = set()
    for target in panel["targets"]:
        columns, rows = ask(expanded(target["rawSql"]))
        given |= set(columns)
        assert rows or panel["title"] in EMPTY
        for place, column in enumerate(columns):
            assert column in BLANK or not rows or any(row[place] is not None for row in rows)
        assert ("time" in columns) == (target["format"] == "time_series")
    named = {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]}
    assert named <= given


@pytest.mark.parametrize("name", BOARDS)
def test_dashboards_can_be_imported(ask, name):
    """Inputs are declared and used, panels do not overlap, variables find what there is."""
    board = BOARDS[name]
    text = json.dumps(board)
    inputs = {each["name"] for each in board["__inputs"]}
    assert inputs == set(re.findall(r"\$\{((?:DS|VAR)_\w+)\}", text))
    assert {each["id"] for each in board["__requires"]} >= {
        each["type"] for each in board["panels"]
    }
    assert board["id"] is None
    cells = [
        (x, y)
        for each in (panel["gridPos"] for panel in board["panels"])
        for x in range(each["x"], each["x"] + each["w"])
        for y in range(each["y"], each["y"] + each["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    queries = [v["query"] for v in board["templating"]["list"] if v["type"] == "query"]
    assert all(ask(expanded(query))[1] for query in queries)


def test_rows_follow_the_files(ask, database, plant_scored):
    """Counts are those of the files, and go when there is no file any more."""
    output, summary = plant_scored
    (rows,) = ask("SELECT sum(rows) FROM aedetect_scored")[1]
    assert rows[0] == summary.rows
    ((runs,),) = ask("SELECT count(*) FROM aedetect_runs")[1]
    assert runs == 1
    empty = output.parent / "empty"
    for kind in ("scores", "drift"):
        (empty / kind).mkdir(parents=True)
    sync(empty, detector="plant", url=database, settings=DatabaseSettings())
    for table, left in (("scored", 0), ("drift", 0), ("runs", 1)):
        assert ask(f"SELECT count(*) FROM aedetect_{table}")[1] == [(left,)]
