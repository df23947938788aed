"""A registered model outside of aedetect: MLflow's server, and a process without aedetect."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd
import pytest
from packaging.requirements import Requirement

from aedetect import registry

SECONDS = 180  # that the server may take to start, on a machine that is busy

# Load a model and score a frame with the packages of one folder, and say where the code came from.
ALONE = """
import json, sys
given = json.load(open(sys.argv[1]))
sys.path.append(given["packages"])
import mlflow, pandas
model = mlflow.pyfunc.load_model(given["model"])
scored = model.predict(pandas.DataFrame(**given["rows"]))
import aedetect
print(json.dumps([aedetect.__file__, scored["verdict"].tolist()]))
"""


@pytest.fixture(scope="module")
def model(trained):
    """The folder of the champion of the plant, as MLflow loads it."""
    champion = registry.find_version("plant", tracking_uri=trained.uri)
    return registry.fetch_version(champion, tracking_uri=trained.uri).parents[1]


@pytest.fixture(scope="module")
def request_body(model):
    """The example of a request that comes with the model, with an anomaly in its last row."""
    body = json.loads((model / "serving_input_example.json").read_text())
    body["dataframe_split"]["data"][-1][2] = 500.0
    return body


@pytest.fixture
def address(trained):
    """The address of `mlflow models serve`, started as a user starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = str(Path(sys.executable).parent)
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": trained.uri,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
    }
    asked = ["mlflow", "models", "serve", "-m", "models:/plant@champion", "--env-manager", "local"]
    with (trained.folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [f"{folder}/{asked[0]}", *asked[1:], "-h", "127.0.0.1", "-p", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that its workers end with it
        )
        try:
            await_answer(f"http://127.0.0.1:{port}/ping", server)
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=SECONDS)
            sys.stderr.write((trained.folder / "serve.log").read_text())  # shown if it fails


def await_answer(url, server):
    """Wait until a server answers, or has ended."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=SECONDS):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no answer from {url}")


def strictly(text):
    """Parse JSON as the standard has it, without NaN and infinity."""

    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_mlflow_serves_strict_json_with_all_that_a_verdict_has(address, request_body):
    """Rows without a score have null; an anomaly has threshold, severity and causes."""
    content = json.dumps(request_body).encode()
    asked = urllib.request.Request(  # noqa: S310 - loopback
        address, data=content, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=SECONDS) as answer:  # noqa: S310 - loopback
        rows = strictly(answer.read().decode())["predictions"]
    assert len(rows) == len(request_body["dataframe_split"]["data"])
    first, last = rows[0], rows[-1]
    assert set(first) == {
        "timestamp", "entity", "score", "p_value", "verdict", "reason", "threshold", "severity",
        "calibration_version", "causes",
    }  # fmt: skip
    assert (first["verdict"], first["score"], first["threshold"]) == ("not_scored", None, None)
    assert first["reason"] == "needs 3 earlier rows"
    assert last["verdict"] == "anomaly"
    assert last["score"] > 0
    assert last["severity"] in {"info", "warning", "critical"}
    assert last["calibration_version"] == 1
    assert last["threshold"] > 0
    assert last["causes"][0]["feature"] == "cpu"
    assert last["causes"][0]["observed"] == 500.0
    assert sum(each["share"] for each in last["causes"]) == pytest.approx(1)


def plain(name):
    """The name of a distribution as indexes compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(model):
    """The distributions that the requirements of a model bring, without extras."""
    lines = (model / "requirements.txt").read_text().split()
    assert all("==" in line for line in lines)
    found, asked = {}, [Requirement(line).name for line in lines]
    while asked:
        name = plain(asked.pop())
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another platform
            continue
        needs = map(Requirement, found[name].requires or ())
        asked += [n.name for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]
    return found


def test_a_process_without_aedetect_scores_with_what_is_declared(model, request_body, tmp_path):
    """The packages are those that the requirements bring, and the code is the wheel's."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for each in declared(model).values():
        for name in {file.parts[0] for file in each.files} - {".."}:
            if not (packages / name).exists():
                (packages / name).symlink_to(each.locate_file(name))
    given = {
        "packages": str(packages),
        "model": str(model),
        "rows": request_body["dataframe_split"],
    }
    (tmp_path / "given.json").write_text(json.dumps(given))
    asked = [sys.executable, "-I", "-S", "-c", ALONE, "given.json"]
    done = subprocess.run(asked, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    place, verdicts = json.loads(done.stdout.splitlines()[-1])
    assert place.startswith(str(next(model.glob("code/aedetect-*.whl"))))
    assert verdicts[-1] == "anomaly"


def test_missing_values_are_null_in_what_mlflow_serves():
    """Numbers, texts, times and those inside of causes; whole numbers stay whole."""
    from aedetect.registry.pyfunc_model import VerdictTable

    causes = [{"feature": "a", "observed": float("nan"), "share": 1.0}]
    table = VerdictTable(
        {
            "score": pd.Series([1.5, float("nan")], dtype="float32"),
            "far": [float("inf"), 0.0],
            "time": [pd.NaT, pd.Timestamp("2026-01-01")],
            "reason": pd.Series([None, "x"], dtype="string"),
            "version": pd.Series([1, 2], dtype="int32"),
            "causes": pd.Series([causes, None], dtype=object),
        }
    )
    assert table.to_dict(orient="records") == [
        {
            "score": 1.5,
            "far": None,
            "time": None,
            "reason": None,
            "version": 1,
            "causes": [{"feature": "a", "observed": None, "share": 1.0}],
        },
        {
            "score": None,
            "far": 0.0,
            "time": pd.Timestamp("2026-01-01"),
            "reason": "x",
            "version": 2,
            "causes": None,
        },
    ]
    assert table["score"].dtype == "float32"
    assert type(table[["score"]]) is pd.DataFrame
