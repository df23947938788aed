"""The past windows most similar to one: the nearest, without overlaps, never in the future."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import fsspec
import numpy as np
import pandas as pd
import pytest

from aedetect.applications import Embeddings
from aedetect.applications.embeddings import distances, nearest_windows
from aedetect.calibration.serialization import write_calibration
from aedetect.config import make_config
from aedetect.detector import CalibratedScorer
from aedetect.errors import NoData
from aedetect.jobs import dataset, fit_scorer, similarity, training
from aedetect.jobs.latents import LATENTS
from aedetect.jobs.scoring import Model
from aedetect.jobs.similarity import find_similar

LENGTH = 8
SHAPE = 40 + np.arange(LENGTH) % 3 * 10  # the shape to find again


def table(start: str, rows: int, *, shapes: tuple[int, ...], seed: int) -> pd.DataFrame:
    """Two units with noise, and one shape in unit a at the given rows."""
    random = np.random.default_rng(seed)
    tables = []
    for unit in ("a", "b"):
        frame = pd.DataFrame(random.normal(size=(rows, 3)), columns=list("xyz"))
        frame.insert(0, "time", pd.date_range(start, periods=rows, freq="min"))
        frame.insert(1, "unit", unit)
        for at in shapes if unit == "a" else ():
            frame.loc[at : at + LENGTH - 1, "x"] = SHAPE / 10
        tables.append(frame)
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A configuration and a detector trained by it."""
    folder = tmp_path_factory.mktemp("similar")
    table("2026-01-01", 600, shapes=(100, 300), seed=0).to_parquet(folder / "train.parquet")
    config = make_config(
        {
            "detector": {"name": "shapes"},
            "data": {"train": "train.parquet", "timestamp": "time", "entity": "unit"},
            "window": {"length": LENGTH},
            "model": {"variant": "linear", "latent": 8},
            "calibration": {"false_alarm_rate": 0.02},
            "scoring": {"input": "incoming"},
        },
        folder=folder,
    )
    ingested = dataset.ingest_rows(config, folder)
    prepared = dataset.prepare_rows(config, ingested, folder)
    trained = fit_scorer.train_scorer(config, ingested, prepared)
    training.calibrate_detector(config, ingested, prepared, trained).save(folder / "detector")
    (folder / "incoming").mkdir()
    return config


@pytest.fixture
def ask(learnt, monkeypatch):
    """Find windows similar to one, with given later rows."""
    model = Model(folder=str(learnt.folder / "detector"), name="shapes", version=1)
    monkeypatch.setattr(similarity, "resolve_model", lambda _: model)
    target = learnt.folder / "incoming" / "day.parquet"
    table("2026-01-02", 300, shapes=(50, 200), seed=1).to_parquet(target)

    def ask(entity: str, moment: str, limit: int = 10):
        return find_similar(learnt, entity=entity, time=pd.Timestamp(moment).value, limit=limit)

    return ask


def test_finds_the_same_shape_before(ask):
    """A shape that occurred three times before is found three times."""
    found = ask("a", "2026-01-02T03:27", limit=3)
    assert (found.start, found.end) == ("2026-01-02 03:20:00", "2026-01-02 03:27:00")
    starts = {match.start for match in found.matches}
    assert starts == {"2026-01-01 01:40:00", "2026-01-01 05:00:00", "2026-01-02 00:50:00"}
    assert all(match.distance < found.typical / 2 for match in found.matches)


def test_only_past_windows_are_found(ask):
    """Neither future windows nor those that overlap the given window are found."""
    found = ask("a", "2026-01-01T01:47", limit=1_000)
    assert all(match.end < found.start for match in found.matches)
    assert found.searched == sum(100 - LENGTH + 1 for _ in "ab")


def test_the_first_window_has_no_past(ask):
    """Nothing is found before the first window."""
    found = ask("a", "2026-01-01T00:07")
    assert found.matches == ()
    assert found.searched == 0


def test_windows_found_do_not_overlap(ask):
    """Windows of one entity are at least one window apart, the nearest first."""
    found = ask("b", "2026-01-02T04:59", limit=40)
    assert len(found.matches) == 40
    assert [m.distance for m in found.matches] == sorted(m.distance for m in found.matches)
    for unit in ("a", "b"):
        ends = sorted(pd.Timestamp(m.end) for m in found.matches if m.entity == unit)
        assert all(np.diff(ends) >= np.timedelta64(LENGTH, "m"))


def test_codes_are_cached_until_something_changes(ask, learnt):
    """The same files are read once; when one changes, latent vectors are computed again."""
    ask("a", "2026-01-02T03:27")
    (kept,) = (learnt.output / LATENTS).iterdir()
    written = (kept / "latent.f4").stat().st_mtime_ns
    ask("b", "2026-01-02T03:27")
    assert (kept / "latent.f4").stat().st_mtime_ns == written
    target = learnt.folder / "incoming" / "more.parquet"
    table("2026-01-03", 50, shapes=(), seed=2).to_parquet(target)
    ask("a", "2026-01-03T00:30")
    target.unlink()
    (new,) = (learnt.output / LATENTS).iterdir()
    assert new.name != kept.name


def test_a_calibration_changes_no_code(ask, learnt):
    """It is in a subfolder of the detector; the cached latent vectors stay valid."""
    before = ask("a", "2026-01-02T03:27")
    (kept,) = (learnt.output / LATENTS).iterdir()
    detector = learnt.folder / "detector"
    later = replace(CalibratedScorer.load(detector).calibration, version=2)
    write_calibration(later, detector / "calibrations" / "2")
    try:
        assert ask("a", "2026-01-02T03:27") == before
    finally:
        shutil.rmtree(detector / "calibrations")
    assert list((learnt.output / LATENTS).iterdir()) == [kept]


def test_codes_are_cached_on_object_storage(ask, learnt):
    """They are uploaded once, and mapped from a copy."""
    expected = ask("a", "2026-01-02T03:27")
    memory = fsspec.filesystem("memory")
    scoring = replace(learnt.scoring, output="memory://similar-out")
    elsewhere = replace(learnt, scoring=scoring)
    moment = pd.Timestamp("2026-01-02T03:27").value
    try:
        assert find_similar(elsewhere, entity="a", time=moment, limit=10) == expected
        kept = {path: memory.modified(path) for path in memory.find("/similar-out")}
        assert [path.rpartition("/")[2] for path in kept] == ["latent.f4", "names.json", "places"]
        assert find_similar(elsewhere, entity="a", time=moment, limit=10) == expected
        assert {path: memory.modified(path) for path in memory.find("/similar-out")} == kept
        target = learnt.folder / "incoming" / "more.parquet"
        table("2026-01-03", 50, shapes=(), seed=2).to_parquet(target)
        find_similar(elsewhere, entity="a", time=moment, limit=10)
        target.unlink()
        assert len(memory.find("/similar-out")) == 3
        assert not {*memory.find("/similar-out")} & {*kept}
    finally:
        memory.rm("/similar-out", recursive=True)


def test_concurrent_runs_compute_one_after_the_other(learnt, ask):
    """Neither removes what the other reads."""
    shutil.rmtree(learnt.output / LATENTS, ignore_errors=True)
    with ThreadPoolExecutor(max_workers=3) as pool:
        found = list(pool.map(lambda _: ask("a", "2026-01-02T03:27"), range(3)))
    assert found[0] == found[1] == found[2]


def test_errors_name_the_nearest_entity_and_time(ask):
    """An absent entity or time is refused with valid ones."""
    with pytest.raises(NoData, match=r"there are a, b"):
        ask("c", "2026-01-02T03:27")
    with pytest.raises(NoData, match="nearest that does is at 2026-01-02 03:27:00"):
        ask("a", "2026-01-02T03:27:20")
    with pytest.raises(NoData, match="nearest that does is at 2026-01-01 00:07:00"):
        ask("a", "2026-01-01T00:03")


def test_nearest_is_exact():
    """The result equals sorting all windows by distance."""
    random = np.random.default_rng(0)
    latents = random.normal(size=(400, 3)).cumsum(axis=0).astype(np.float32)
    places = np.zeros(400, [("start", "i8"), ("end", "i8"), ("row", "i8"), ("entity", "i4")])
    places["row"], places["entity"] = np.arange(400), np.arange(400) // 200
    places["end"] = np.arange(400) % 200
    places["start"] = places["end"] - 4
    made = Embeddings(latents=latents, places=places, names=("a", "b"), length=5)
    found = nearest_windows(made, 390, limit=12)
    expected: list[int] = []
    for window in np.argsort(distances(latents, latents[390]), kind="stable").tolist():
        place = places[window]
        apart = all(
            place["entity"] != places["entity"][e] or abs(place["row"] - places["row"][e]) >= 5
            for e in expected
        )
        if place["end"] < places["start"][390] and apart:
            expected.append(window)
    assert found.windows.tolist() == expected[:12]
