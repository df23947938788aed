"""A registry behind a real MLflow server, which alone has access to the artifacts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from aedetect import registry
from aedetect.calibration.serialization import write_calibration
from aedetect.errors import RegistryError
from aedetect.registry import downloads
from aedetect.registry.history import Decision
from aedetect.registry.promotions import read_promotions, rollback_version
from aedetect.registry.records import TrainingRecord
from aedetect.scoring import cached_detector

PUMP = TrainingRecord(
    name="pump",
    variant="pca",
    parameters={},
    epochs=[],
    metrics={},
    data_source="train.parquet",
    data_fingerprint="f" * 64,
    data_columns={"time": "timestamp", "unit": "text", "a": "number", "b": "number"},
    config_hash="c0ffee",
    tags={},
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server, and the folder of its artifacts."""
    folder = tmp_path_factory.mktemp("server")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(240):
            try:
                urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except (URLError, OSError):
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@pytest.fixture(scope="module")
def registered(server, detector_folder):
    """A detector registered there."""
    return registry.register_version(detector_folder, record=PUMP, tracking_uri=server[0])


@pytest.fixture(autouse=True)
def cached(tmp_path, monkeypatch):
    """Keep downloads in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "aedetect" / "detectors"


def fetched(server, registered):
    """Fetch a version."""
    return registry.fetch_version(registered, tracking_uri=server[0])


def asked(server):
    """The number of model files that the server sent."""
    lines = (server[1] / "log").read_text().splitlines()
    return sum("GET /api/2.0/mlflow-artifacts/artifacts/" in line for line in lines)


def test_a_version_is_downloaded_once(server, registered, cached):
    """This and other processes reuse it; the loaded detector stays loaded."""
    folder = fetched(server, registered)
    detector, before = cached_detector(str(folder)), asked(server)
    assert before
    assert fetched(server, registered) == folder
    assert cached_detector(str(folder)) is detector
    code = "import sys; from aedetect import registry as r; u = sys.argv[1]\n"
    code += "print(r.fetch_version(r.find_version('pump/1', tracking_uri=u), tracking_uri=u))"
    command = [sys.executable, "-c", code, server[0]]
    others = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in "ab"]
    assert {other.stdout.strip() for other in others} == {str(folder)}
    assert asked(server) == before
    assert cached.stat().st_mode & 0o777 == 0o700


def test_concurrent_downloads_do_no_harm(server, registered, cached):
    """One complete copy stays."""
    code = "import sys; from aedetect import registry as r; u = sys.argv[1]\n"
    code += "from aedetect.scoring import cached_detector\n"
    code += "found = r.find_version('pump/1', tracking_uri=u)\n"
    code += "cached_detector(str(r.fetch_version(found, tracking_uri=u)))"
    started = [subprocess.Popen([sys.executable, "-c", code, server[0]]) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert len(list(cached.iterdir())) == 1


def test_a_new_calibration_is_seen(server, registered, tmp_path, detector):
    """Also by a process that found the version before; the earlier download does not change."""
    before = fetched(server, registered)
    later = replace(detector.calibration, version=2)
    write_calibration(later, tmp_path / "later")
    registry.add_calibration(
        registered, tmp_path / "later", version=2, tracking_uri=server[0], tags={}
    )
    after = fetched(server, registered)
    assert (cached_detector(str(before)).calibration.version, before) != (2, after)
    assert cached_detector(str(after)).calibration.version == 2


def test_an_incomplete_download_is_repeated(server, registered):
    """As after someone cleaned the cache."""
    folder = fetched(server, registered)
    (folder / "detector.json").unlink()
    assert fetched(server, registered) == folder
    cached_detector(str(folder))


def test_a_full_disk_is_not_blamed_on_the_registry(server, registered, tmp_path):
    """The message names the full disk; no partial download is kept."""
    code = "import resource, sys; from aedetect import registry as r; u = sys.argv[1]\n"
    code += "found = r.find_version('pump/1', tracking_uri=u)\n"
    code += "from aedetect.errors import OutputError\n"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    code += "try: r.fetch_version(found, tracking_uri=u)\n"
    code += "except OutputError as error: print(error)"
    command = [sys.executable, "-c", code, server[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "cannot be written (File too large): free space" in done.stdout
    assert "registry is not to blame" in done.stdout
    cached_detector(str(fetched(server, registered)))


def test_missing_artifacts_are_an_error_of_the_registry(server, registered):
    """The server must have them."""
    artifacts = server[1] / "artifacts"
    artifacts.rename(server[1] / "elsewhere")
    try:
        with pytest.raises(RegistryError, match=r"must hold a detector|did not answer"):
            fetched(server, registered)
    finally:
        (server[1] / "elsewhere").rename(artifacts)


def test_a_cache_that_is_not_writable_is_not_needed(server, registered, monkeypatch):
    """The download lasts as long as the process."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    folder = fetched(server, registered)
    assert fetched(server, registered) == folder
    cached_detector(str(folder))


def test_downloads_are_pruned(cached):
    """The most recently used stay, and those used today."""

    def download(folder: Path) -> Path:
        (folder / "new").mkdir()
        (folder / "new" / "whole").touch()
        return folder / "new"

    def keep(name: str) -> Path:
        return downloads.cached_download([name], download=download, marker="whole")

    old = [keep(f"old {number}") for number in range(5)]
    for path in old:
        os.utime(path, (0, 0))
    (cached / ".killed").mkdir()
    os.utime(cached / ".killed", (0, 0))
    new = [keep(f"new {number}") for number in range(downloads.MAX_DOWNLOADS - 2)]
    assert set(cached.iterdir()) >= {*new}
    assert len(list(cached.iterdir())) == downloads.MAX_DOWNLOADS
    again = [keep(f"again {number}") for number in range(5)]
    assert set(cached.iterdir()) == {*new, *again}


def test_promotions_are_on_record_at_a_server(server, registered, detector_folder):
    """History and rollback need nothing but the server."""
    second = registry.register_version(detector_folder, record=PUMP, tracking_uri=server[0])
    before = registry.find_version("pump", tracking_uri=server[0])
    why = Decision(by="ada@laptop", why="newer data")
    registry.promote_version(second, tracking_uri=server[0], decision=why)
    undo = Decision(action="rollback", by="bob@server")
    entry = rollback_version("pump", tracking_uri=server[0], decision=undo)
    assert (entry.before, entry.version) == (second.version, before.version)
    last = read_promotions("pump", tracking_uri=server[0])[-2:]
    assert [(each.by, each.why) for each in last] == [
        ("ada@laptop", "newer data"),
        ("bob@server", ""),
    ]
