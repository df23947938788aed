"""Kills of what changes things that are kept: `calibrate`, `label`, and delivery after `score`.

Commands are killed at any moment from their start on. Most of that is imports, so more kills are
of processes that have imported all.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable

import harm
import sqlalchemy as sa
from plant import Plant, write_config
from receiver import Receiver

from aedetect import registry
from aedetect.config import make_config
from aedetect.detector import read_outline
from aedetect.events import read_labels
from aedetect.events.table import read_event_table
from aedetect.jobs.recalibration import recalibrate

SEED = 20260103
FORKED = 5  # kills of processes that have imported all, for each of a command
METHODS = ("quantile", "false_alarm_rate")

Check = Callable[[bool, str], None]
Command = Callable[[list[str], float], None]  # run these words, kill after so many seconds


def calibration_kills(plant: Plant, kill: Command, check: Check, *, count: int) -> str:
    """Kill `aedetect calibrate`; what applies is whole, and the next calibration as asked."""
    config = make_config(plant.given(), folder=plant.folder)
    path, times = plant.written(), random.Random(SEED)  # noqa: S311 - not a secret

    def applies() -> tuple[int, float]:
        found = registry.find_version("plant", tracking_uri=config.tracking_uri)
        place = registry.fetch_version(found, tracking_uri=config.tracking_uri)
        calibration = read_outline(place).calibration
        return calibration.version, calibration.threshold.value

    def again(method: str) -> float:
        asked = plant.given() | {"calibration": {"threshold": method}}
        return recalibrate(make_config(asked, folder=plant.folder)).thresholds[0].threshold

    wanted = {method: again(method) for method in METHODS}
    seconds = _seconds(harm.calibrate, path, METHODS[0])
    stored = 0
    for number in range((1 + FORKED) * count):
        method, (before, _) = METHODS[number % 2], applies()
        if number < count:
            words = ["calibrate", "--threshold", method]
            kill(words, times.uniform(0, 10))
        else:
            process = harm.start(harm.calibrate, path, method)
            harm.kill_after(process, times.uniform(0, 1.2 * seconds))
        after, threshold = applies()
        check(after in {before, before + 1}, f"kill {number}: one calibration more, or none")
        check(after == before or threshold == wanted[method], f"kill {number}: it is whole")
        stored += after > before
        check(again(method) == wanted[method], f"kill {number}: the next one is as asked")
        check(applies() == (after + 1, wanted[method]), f"kill {number}: the next one applies")
    return f"kills of aedetect calibrate: {(1 + FORKED) * count}, {stored} of them after its effect"


def label_kills(plant: Plant, kill: Command, check: Check, *, count: int) -> str:
    """Kill `aedetect label`; no label is lost, and the next one is stored."""
    plant.score(partition="hour")
    path, output = plant.written(partition="hour"), plant.output
    ids = read_event_table(output, suppressed=True)["event_id"].to_pylist()
    opinions, times = dict[str, str](), random.Random(SEED)  # noqa: S311 - not a secret

    def kept() -> dict[str, str]:
        return {each.event_id: each.opinion for each in read_labels(output)}

    seconds = _seconds(harm.label, path, ids[0], "confirmed")
    opinions[ids[0]] = "confirmed"
    stored = 0
    for number in range((1 + FORKED) * count):
        event = ids[number % len(ids)]
        opinion = ("false_alarm", "confirmed")[number // len(ids) % 2]
        if number < count:
            words = ["label", event, f"--{opinion.replace('_', '-')}"]
            kill(words, times.uniform(0, 5))
        else:
            process = harm.start(harm.label, path, event, opinion)
            harm.kill_after(process, times.uniform(0, 1.2 * seconds))
        found = kept()
        check(found in (opinions, opinions | {event: opinion}), f"kill {number}: no label is lost")
        stored += found != opinions
        harm.label(path, event, opinion)
        opinions[event] = opinion
        check(kept() == opinions, f"kill {number}: the next label is stored")
    shutil.rmtree(output / "labels")
    return f"kills of aedetect label: {(1 + FORKED) * count}, {stored} of them after its effect"


def delivery_kills(plant: Plant, kill: Command, check: Check, url: str, *, count: int) -> str:
    """Kill `aedetect score` that delivers; the next run brings tables and receivers up to date."""
    server = Receiver()
    server.delay = 0.05
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    given = plant.given(partition="hour") | {
        "database": {"url": "env:DATABASE"},
        "notify": {"urls": server.url, "min_severity": "info", "max_age": "30d"},
    }
    path = write_config(plant.folder / "plant.toml", given)

    def afresh() -> None:
        shutil.rmtree(plant.output, ignore_errors=True)
        _empty(url)
        server.messages.clear()

    os.environ["DATABASE"] = url  # of the commands
    afresh()
    seconds = _seconds(harm.score_and_deliver, path, url)
    wanted, told = _tables(url), Counter(server.titles)
    check(bool(told) and all(wanted.values()), "there is something to deliver")
    times = random.Random(SEED)  # noqa: S311 - not a secret
    begun = repeated = 0
    for number in range((1 + FORKED) * count):
        afresh()
        if number < count:
            kill(["score"], times.uniform(0, 15 + seconds))
        else:
            process = harm.start(harm.score_and_deliver, path, url)
            harm.kill_after(process, times.uniform(0, 1.2 * seconds))
        begun += bool(server.titles) or any(_tables(url).values())
        harm.score_and_deliver(path, url)
        check(_tables(url) == wanted, f"kill {number}: equal tables")
        found = Counter(server.titles)
        check(not told - found, f"kill {number}: every event is told of")
        repeated += (found - told).total()
        sent = len(server.messages)
        harm.score_and_deliver(path, url)
        check(len(server.messages) == sent, f"kill {number}: nothing is told of again")
    server.shutdown()
    server.server_close()
    kind = url.partition(":")[0]
    return (
        f"kills of a delivery to {kind}: {(1 + FORKED) * count}, {begun} of them after it began, "
        f"{repeated} of {(1 + FORKED) * count * told.total()} messages told twice"
    )


def _seconds(target: Callable[..., None], *arguments: object) -> float:
    """Return how long a function takes in a process of its own."""
    harm.start(harm.load).join()  # the process that the others are forked from
    begin = time.monotonic()
    process = harm.start(target, *arguments)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - begin


def _engine(url: str) -> sa.Engine:
    driven = url.replace("postgresql://", "postgresql+psycopg://")
    return sa.create_engine(driven, poolclass=sa.NullPool)


def _tables(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of all tables, in an order of their own."""
    engine = _engine(url)
    with engine.connect() as connection:
        names = sorted(sa.inspect(connection).get_table_names())
        rows = {name: connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in names}
    engine.dispose()
    return {name: sorted(tuple(map(str, row)) for row in each) for name, each in rows.items()}


def _empty(url: str) -> None:
    """Remove all tables."""
    engine = _engine(url)
    metadata = sa.MetaData()
    metadata.reflect(engine)
    metadata.drop_all(engine)
    engine.dispose()
