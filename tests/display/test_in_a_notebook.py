"""A notebook that is executed: what it shows, and that nothing in it fails there alone."""

from __future__ import annotations

import sys

import pytest

nbclient = pytest.importorskip("nbclient", reason="no notebook is executed without nbclient")
pytest.importorskip("ipykernel", reason="no notebook is executed without ipykernel")
nbformat = pytest.importorskip("nbformat")

CELLS = (
    """
import aedetect, pandas as pd
frame = pd.read_parquet("history.parquet")
detector = aedetect.fit(
    frame.iloc[:300], timestamp="time", model={"variant": "linear"}, window={"length": 4},
    training={"epochs": 1, "device": "cpu"},
    calibration={"false_alarm_rate": 0.02, "shapes": 0.0},
)
detector
""",
    "detector.events(frame)",
    "detector.report(frame)",
    "detector.plot(frame)",
    """
from pathlib import Path
from aedetect.data import open_engine
with open_engine(memory_mb=100, threads=1, scratch=Path()) as connection:
    print(connection.execute("SELECT 42").fetchone())
""",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, make_frame):
    """What the cells show, by type; an error of a cell is raised."""
    folder = tmp_path_factory.mktemp("notebook")
    frame = make_frame(rows=400, units=("east",)).drop(columns="unit")
    frame.loc[350:354, "b"] += 50.0
    frame.to_parquet(folder / "history.parquet")
    kernels = folder / "kernels" / "own"
    kernels.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    # A kernel of this very Python, whatever is installed elsewhere.
    (kernels / "kernel.json").write_text(
        f'{{"argv": {command!r}, "display_name": "own", "language": "python"}}'.replace("'", '"')
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        patch.setenv("OMP_NUM_THREADS", "1")
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
        client = nbclient.NotebookClient(
            book, timeout=120, kernel_name="own", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    return [
        {kind: each for output in cell.outputs for kind, each in _shown(output).items()}
        for cell in book.cells
    ]


def _shown(output):
    return output.get("data", {"stream": output.get("text", "")})


def test_detector_events_and_report_are_shown(outputs):
    """As HTML without a script, and as text where there is none."""
    detector, events, report = outputs[:3]
    assert "promise" in detector["text/html"]
    assert "<strong>2 events" in events["text/html"]
    assert "<svg" in report["text/html"]
    assert not any("<script" in each["text/html"] for each in (detector, events, report))
    assert all(each["text/plain"] for each in (detector, events, report))


def test_a_plot_is_a_picture(outputs):
    """Without a backend of pyplot."""
    assert outputs[3]["image/png"]


def test_files_are_read(outputs):
    """DuckDB asks for ipywidgets in a notebook, to show progress that nobody wants."""
    assert "42" in outputs[4]["stream"]
