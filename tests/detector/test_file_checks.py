"""Loading a model runs no code from its files, and names in data are not used as paths."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from plant import DAYS, contents, settings, table, verdicts, write

import aedetect
from aedetect import registry
from aedetect.calibration.serialization import newest_version
from aedetect.config import make_config
from aedetect.detector import CalibratedScorer
from aedetect.detector.description import CALIBRATION, DETECTOR
from aedetect.detector.file_checks import check_weights
from aedetect.detector.serialization import WEIGHTS
from aedetect.errors import AedetectError, BrokenDetector, ConfigError, UnknownModel
from aedetect.jobs import scoring, training
from aedetect.models.settings import ModelSettings
from aedetect.models.sizing import derive_sizes
from aedetect.models.variants import BACKBONES, VARIANTS, make_network
from aedetect.scoring import score_frame

UP = "../../../../escaped"


@pytest.fixture
def folder(detector_folder, tmp_path):
    """A copy of a saved detector, to be manipulated."""
    return shutil.copytree(detector_folder, tmp_path / "a" / "b" / "saved")


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        """Store the path of the file."""
        self.mark = mark

    def __reduce__(self):
        """Return the call that creates the file."""
        return os.mkdir, (str(self.mark),)


def test_a_pickle_in_place_of_weights_is_refused(folder, tmp_path):
    """In any pickle format, and no code runs; unpickling it would run the code."""
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Payload(mark)))  # noqa: S301 - shows that the payload works
    mark.rmdir()
    for plant in (
        lambda path: path.write_bytes(pickle.dumps(Payload(mark))),
        lambda path: torch.save({"x": Payload(mark)}, path),
        lambda path: torch.save({"x": Payload(mark)}, path, _use_new_zipfile_serialization=False),
    ):
        plant(folder / WEIGHTS)
        with pytest.raises(BrokenDetector, match="cannot be read"):
            CalibratedScorer.load(folder)
        assert not mark.exists()


@pytest.mark.parametrize("name", [DETECTOR, CALIBRATION])
def test_a_pickle_in_place_of_the_other_files_is_refused(folder, tmp_path, name):
    """Only JSON and Parquet are accepted."""
    (folder / name).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(BrokenDetector):
        CalibratedScorer.load(folder)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_inside_the_parquet_file_is_left_alone(folder, tmp_path):
    """Pyarrow once unpickled extension types; here such a type is not deserialized."""
    path = folder / CALIBRATION
    held_out = pq.read_table(path)
    payload = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Payload(tmp_path / "ran")),
    }
    fields = [field.with_metadata(payload) for field in held_out.schema]
    pq.write_table(held_out.cast(pa.schema(fields)), path)
    with suppress(BrokenDetector):  # refusing is also correct
        CalibratedScorer.load(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", [DETECTOR, WEIGHTS, CALIBRATION])
def test_links_out_of_the_folder_are_refused(folder, tmp_path, name):
    """Even to a valid file: only files of the model are read."""
    outside = tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    with pytest.raises(BrokenDetector, match=rf"{name} is a link that leads out"):
        CalibratedScorer.load(folder)


def test_links_inside_the_folder_are_files_like_others(folder):
    """As in stores that address files by their hash."""
    (folder / WEIGHTS).rename(folder / "blob")
    (folder / WEIGHTS).symlink_to("blob")
    CalibratedScorer.load(folder)


def test_pipes_are_refused(folder):
    """Reading one would block forever."""
    (folder / CALIBRATION).unlink()
    os.mkfifo(folder / CALIBRATION)
    with pytest.raises(BrokenDetector, match="neither a file nor a folder"):
        CalibratedScorer.load(folder)


@pytest.mark.parametrize(
    "sizes",
    [
        {"latent": 10**9, "encoded": 10**9},
        {"hidden": [10**9, 10**9]},
        {"length": 10**12},
        {"inputs": 10**18},
        {"latent": -1},
    ],
)
def test_made_up_sizes_cost_no_memory(folder, sizes):
    """They are compared with the weights before memory of that size is allocated."""
    described = json.loads((folder / DETECTOR).read_text())
    described["model"]["sizes"] |= sizes
    (folder / DETECTOR).write_text(json.dumps(described))
    with pytest.raises(BrokenDetector, match="cannot be read"):
        CalibratedScorer.load(folder)


def described(folder, change):
    """Write a changed description of a detector."""
    found = json.loads((folder / DETECTOR).read_text())
    change(found)
    (folder / DETECTOR).write_text(json.dumps(found))


def each_threshold(value):
    """Replace every threshold."""

    def change(found):
        for group in (found["calibration"]["pooled"], *found["calibration"]["own"].values()):
            group["threshold"]["value"] = value

    return change


def put(value, *path):
    """Replace one value."""

    def change(found):
        inner = found
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


NO_NUMBERS = [
    each_threshold(float("nan")),
    each_threshold(float("inf")),
    each_threshold("nan"),
    put("NaN", "calibration", "pooled", "tail", "scale"),
    put(0.0, "calibration", "pooled", "tail", "scale"),
    put(float("nan"), "preparation", "scaling", "center", 0, 0),
    put("nan", "preparation", "scaling", "scale", 0, 0),
    put(float("-inf"), "preparation", "clip"),
    put("inf", "preparation", "clip"),
    put(float("nan"), "calibration", "limits", 0, 0),
    put("nan", "residuals", "size", 0, 0),
    put(2**31, "calibration", "version"),
    put(10**9, "smooth"),
    put(2**61, "preparation", "missing_limit"),
    put(2**61, "schema", "max_gap"),
]


@pytest.mark.parametrize("change", NO_NUMBERS)
def test_numbers_that_are_none_are_refused(folder, change):
    """A threshold that is not a number would silently flag nothing."""
    described(folder, change)
    with pytest.raises(BrokenDetector, match="cannot be read"):
        CalibratedScorer.load(folder)


def test_numbers_too_large_to_be_finite_are_refused(folder):
    """JSON may contain numbers that become infinite when read."""
    described(folder, each_threshold(123456.5))
    text = (folder / DETECTOR).read_text().replace("123456.5", "1e999")
    (folder / DETECTOR).write_text(text)
    with pytest.raises(BrokenDetector, match="numbers must be finite, got 1e999"):
        CalibratedScorer.load(folder)


def test_weights_that_are_no_numbers_are_refused(folder):
    """They would give no scores."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / WEIGHTS)
    next(iter(weights.values())).view(-1)[0] = float("nan")
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(BrokenDetector, match="must be finite"):
        CalibratedScorer.load(folder)


def held_out(rows, **given):
    """Make rows like those of a calibration."""
    kinds = {"entity": pa.int32(), "time": pa.int64(), "score": pa.float32()}
    kinds |= {"anomaly": pa.bool_(), "suspect": pa.bool_()}
    values = {"anomaly": [False] * rows, "suspect": [False] * rows} | given
    return pa.table(
        {name: pa.array(values.get(name, [0] * rows), kind) for name, kind in kinds.items()}
    )


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (held_out(3, score=[1.0, float("nan"), 2.0]), "must be finite"),
        (held_out(3, score=[1.0, None, 2.0]), "no missing values"),
        (held_out(3).append_column("more", pa.array([1, 2, 3])), "must have the columns"),
        (
            held_out(3).rename_columns(["entity", "time", "score", "flag", "suspect"]),
            "must have the columns",
        ),
        (pa.table({"score": pa.array(["x"])}), "must have the columns"),
    ],
)
def test_held_out_rows_that_are_none_are_refused(folder, rows, fault):
    """Missing values, other columns, scores that cannot be ordered."""
    pq.write_table(rows, folder / CALIBRATION)
    with pytest.raises(BrokenDetector, match=fault):
        CalibratedScorer.load(folder)


def test_a_small_file_of_many_rows_costs_no_memory(folder, tmp_path):
    """Equal values take no bytes in the file; it is refused by the row count in its footer."""
    import subprocess
    import sys

    rows = held_out(1).take(pa.array([0] * 2_000_000))
    with pq.ParquetWriter(folder / CALIBRATION, rows.schema, compression="zstd") as writer:
        for _ in range(20):
            writer.write_table(rows)
    assert (folder / CALIBRATION).stat().st_size < 2_000_000
    code = (
        "import resource, sys\n"
        "from aedetect.detector import CalibratedScorer\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    CalibratedScorer.load(__import__('pathlib').Path(sys.argv[1]))\n"
        "except Exception as error:\n    print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    message, grown = done.stdout.rstrip().rsplit("\n", 1)
    assert "claims 40,000,000 rows in" in message
    assert int(grown) < 300_000  # kB; the rows alone would take 680 MB


@pytest.mark.parametrize("name", ["²", "٣", "02", "1" * 200, "-3", "2\n"])
def test_calibrations_of_other_names_are_no_calibrations(folder, name):
    """Only numbers in canonical notation are accepted."""
    place = folder / "calibrations" / name
    place.mkdir(parents=True)
    (place / "calibration.json").write_text("{}")
    assert newest_version(folder) is None
    CalibratedScorer.load(folder)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_outlines_fit_what_is_saved(tmp_path, variant, backbone):
    """An outline of each network has the tensors that the network saves, of the same sizes."""
    from safetensors.torch import save_file

    chosen = ModelSettings(variant=variant, backbone=backbone)
    sizes = derive_sizes(chosen, length=8, inputs=3, outputs=3)
    save_file(make_network(chosen, sizes).state_dict(), tmp_path / WEIGHTS)
    with torch.device("meta"):
        outline = make_network(chosen, sizes)
    check_weights(tmp_path / WEIGHTS, outline)
    save_file({"other": torch.zeros(1)}, tmp_path / WEIGHTS)
    with pytest.raises(ValueError, match="does not fit"):
        check_weights(tmp_path / WEIGHTS, outline)


def places(value, path=()):
    """Yield the path of every value in JSON; of a list, only the first."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def test_any_tampering_with_the_description_is_refused_or_harmless(folder, tmp_path):
    """With each value replaced by invalid ones: BrokenDetector or a detector, and no file."""
    whole = (folder / DETECTOR).read_text()
    before = contents(tmp_path).keys()
    for path in list(places(json.loads(whole)))[1:]:
        for junk in (None, [], UP, 10**18, float("inf")):
            described = json.loads(whole)
            inner = described
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = junk
            (folder / DETECTOR).write_text(json.dumps(described))
            with suppress(AedetectError):
                CalibratedScorer.load(folder)
    assert contents(tmp_path).keys() == before


def test_names_in_a_detector_are_no_paths(folder, tmp_path, make_frame):
    """A detector whose entity is named like a path scores that entity and writes nothing there."""
    described = json.loads((folder / DETECTOR).read_text())
    described["preparation"]["entities"][0] = UP
    (folder / DETECTOR).write_text(json.dumps(described))
    before = contents(tmp_path).keys()
    frame = make_frame(rows=50)
    frame["unit"] = frame["unit"].replace("east", UP)
    scored = score_frame(CalibratedScorer.load(folder), frame)
    assert scored.loc[scored["entity"] == UP, "score"].notna().sum() > 40
    assert contents(tmp_path).keys() == before


def test_nothing_here_can_unpickle():
    """No module imports or calls functions that run code from a file.

    What workers are sent, in processes here or on a cluster, comes through a connection of its own,
    which unpickles as well.
    """
    forbidden = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
    calls = {"eval", "exec", "torch.load", "np.load", "mlflow.pyfunc.load_model", "load_model"}
    root = Path(aedetect.__file__).parents[1]
    sent = {
        root / "aedetect" / "execution" / name
        for name in (
            *("work.py", "compute.py", "local_pool.py"),
            *("local_processes.py", "local_worker.py"),
        )
    }
    many = ("scoring_many.py", "training_many.py", "packed_work.py")
    sent |= {root / "aedetect" / "jobs" / name for name in many}
    for path in {*root.glob("aedetect/**/*.py"), *root.glob("pipelines/*.py")} - sent:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & forbidden, path
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in calls, path


def test_a_pickle_beside_the_registered_detector_is_not_read(plant, tmp_path):
    """MLflow's folder may hold a python_model.pkl, a planted MLmodel and code: scoring uses none.

    mlflow.pyfunc itself would run them; who can write there can run code in who loads that way.
    """
    uri = f"sqlite:///{plant.folder}/mlruns/mlflow.db"
    config = make_config(
        settings(registry={"tracking_uri": uri}, training={"epochs": 1}), folder=plant.folder
    )
    training.run_training(config)
    found = registry.find_version("plant", tracking_uri=uri)
    saved = registry.fetch_version(found, tracking_uri=uri)
    model = saved.parents[1]
    mark = tmp_path / "ran"
    (model / "python_model.pkl").write_bytes(pickle.dumps(Payload(mark)))
    (model / "served.py").write_text(f"import os; os.mkdir({str(mark)!r})")
    (saved / "__init__.py").write_text(f"import os; os.mkdir({str(mark)!r})")
    described = (model / "MLmodel").read_text()
    (model / "MLmodel").write_text(
        described.replace("artifacts/detector", f"{UP}/detector")
        + f"\n  python_model: {UP}/python_model.pkl\n"
    )
    assert scoring.run_scoring(config).partitions == len(DAYS)
    assert not mark.exists()
    shutil.move(saved, tmp_path / "elsewhere")
    saved.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / WEIGHTS).unlink()
    (tmp_path / "elsewhere" / WEIGHTS).symlink_to("/etc/hostname")
    with pytest.raises(BrokenDetector, match="leads out of the folder"):
        CalibratedScorer.load(saved)


NAMES = ["../../escaped", "/etc/escaped", "a/b/../../..", "..", "", "C:\\x", "x'\"; --", "é\n\t"]


def test_names_from_data_cannot_leave_the_output(plant):
    """Entities, columns and categories named like paths are scored like others."""
    rows = table("2026-01-01", days=1)
    parts = []
    for index, name in enumerate(NAMES):
        part = rows[rows["unit"] == "east"].assign(unit=name)
        parts.append(part.assign(mode=NAMES[index % 2]))
    learnt = pd.concat(parts).rename(columns={"disk": "../../disk", "load": "/load'\""})
    write(learnt, plant.folder / "train.parquet")
    shutil.rmtree(plant.incoming)
    learnt.loc[learnt.index[500:510], "cpu"] = 500.0
    write(learnt, plant.incoming / "day's.parquet")
    uri = f"sqlite:///{plant.folder}/mlruns/mlflow.db"
    given = settings(
        registry={"tracking_uri": uri},
        training={"epochs": 1},
        database={"url": "sqlite:///plant.db"},
    )
    config = make_config(given, folder=plant.folder)
    before = {path.name for path in plant.folder.parent.rglob("*")}
    training.run_training(config)
    summary = scoring.run_scoring(config)
    assert summary.flagged > 0
    assert set(verdicts(plant.output)["entity"]) == set(NAMES)
    written = {
        path.relative_to(plant.output).as_posix()
        for path in plant.output.rglob("*")
        if path.is_file()
    }
    kinds = {name.split("/")[0] for name in written}
    assert kinds <= {"scores", "flagged", "events", "drift", ".cache"}
    verdict_files = [name for name in written if not name.startswith(".cache/")]
    assert all(name.endswith("/date=2026-01-01/part-0.parquet") for name in verdict_files)
    assert {p.name for p in plant.folder.iterdir()} == {
        "incoming",
        "train.parquet",
        "mlruns",
        "output",
        "plant.db",
    }
    assert not [path for path in plant.folder.parent.rglob("escaped*") if path.name not in before]


@pytest.mark.parametrize("name", ["..", "a/b", "/abs", "", ".hidden", "a\\b", "x\n", "é"])
def test_a_detector_is_not_called_like_a_path(name):
    """Its name is a folder of the registry's artifacts."""
    with pytest.raises(ConfigError, match=r"\[detector\] name must be"):
        make_config(settings(detector={"name": name}), folder=Path())


@pytest.mark.parametrize("model", ["../plant", "..", "plant/../1", "/etc/passwd", "file:///x/1"])
def test_a_model_is_not_a_path(plant, model):
    """The model is resolved in the registry by name, never on disk."""
    with pytest.raises(UnknownModel):
        scoring.run_scoring(plant.config(model=model))
    assert not (plant.output / "scores").exists()
