"""The newest calibration applied to existing output."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow.parquet as pq
import pytest
from plant import DAYS, Plant, contents, settings, stamps, table, write

from aedetect.cli.calibrate import print_reflagged
from aedetect.config import make_config
from aedetect.errors import AedetectError
from aedetect.events import EventRules
from aedetect.events.held import HELD_KEY, find_held, pack_held
from aedetect.events.settings import EventSettings
from aedetect.jobs import reflagging, training
from aedetect.jobs.recalibration import recalibrate
from aedetect.output import list_files
from aedetect.output.atomic import read_origin
from aedetect.output.partitions import Span
from aedetect.scoring.run_log import read_runs
from aedetect.timestamps import parse_instant


@pytest.fixture(scope="module")
def base(tmp_path_factory, arrived):
    """A plant with its own registry, three scored days, and a second, lower threshold.

    The output under the first one lies in `scored`, that of a full rescore in `rescored`.
    """
    folder = tmp_path_factory.mktemp("reflag")
    write(table("2026-01-01", days=2), folder / "train.parquet")
    shutil.copytree(arrived, folder / "incoming")
    with_stuck_sensor(folder / "incoming")
    config = make_config(settings(), folder=folder)
    training.run_training(config)
    plant = Plant(folder=folder, uri=config.tracking_uri)
    plant.score(output="scored")
    recalibrate(make_config(settings(calibration=LOWER), folder=folder))
    plant.score(output="rescored")
    return plant


LOWER = {"threshold": "quantile", "quantile": 0.98}


def with_stuck_sensor(incoming):
    """Let a sensor of one unit stand still for half an hour."""
    path = min(incoming.glob("*.parquet"))
    rows = pd.read_parquet(path)
    rows.loc[200:229, "disk"] = rows.loc[200, "disk"]
    write(rows, path)


@pytest.fixture
def plant(base, tmp_path):
    """Return the plant with an output of the first calibration that a test may change."""
    shutil.copytree(base.folder / "scored", tmp_path / "output")
    return Plant(folder=base.folder, uri=base.uri), str(tmp_path / "output")


def run(plant, span=None):
    """Re-evaluate the output."""
    where, output = plant
    return reflagging.run_reflagging(where.config(output=output), span=span)


def flagged(output):
    """Return all flagged rows without what causes need, and the causes."""
    files = sorted(output.glob("flagged/**/*.parquet"))
    joined = pd.concat([pq.ParquetFile(path).read().to_pandas() for path in files])
    plain = joined.drop(columns=["causes", "blame", "outside"]).reset_index(drop=True)
    return plain, joined["causes"].tolist()


def test_reflagging_equals_a_full_rescore(plant, base, tmp_path):
    """Scores byte for byte; flagged rows too, except the causes of new ones."""
    done = run(plant)
    assert (done.partitions, done.current, done.other, done.calibration) == (3, 0, 0, 2)
    output, rescored = tmp_path / "output", base.folder / "rescored"
    assert contents(output / "scores") == contents(rescored / "scores")
    (rows, causes), (expected, complete) = flagged(output), flagged(rescored)
    pd.testing.assert_frame_equal(rows, expected, check_exact=True)
    assert done.flagged == len(rows)
    stuck = "disk is stuck: the same for longer than ever in training"
    assert (rows["reason"] == stuck).sum() > 0
    before = flagged(base.folder / "scored")[0]
    assert done.unexplained == len(rows) - len(before) > 0
    assert sum(cause is None for cause in causes) == done.unexplained
    assert all(
        cause is None or list(cause) == list(whole)
        for cause, whole in zip(causes, complete, strict=True)
    )
    assert done.since == DAYS[0]


def test_a_second_run_does_nothing(plant, tmp_path):
    """Partitions that are up to date are not written."""
    run(plant)
    before = stamps(tmp_path / "output")
    done = run(plant)
    assert (done.partitions, done.current, done.rows) == (0, 3, 0)
    assert stamps(tmp_path / "output") == before


def test_a_span_limits_it(plant, tmp_path):
    """Only the partitions that it overlaps; the others follow on request."""
    span = Span(parse_instant(DAYS[1]), parse_instant(DAYS[2]))
    assert run(plant, span).partitions == 1
    versions = [
        read_origin(path).calibration_version
        for path in sorted((tmp_path / "output").glob("scores/**/*.parquet"))
    ]
    assert versions == [1, 2, 1]


def test_a_run_interrupted_between_its_two_files_is_completed(plant, base, tmp_path):
    """The flagged file is new, the scores are not: the next run ends at the same files."""
    output = tmp_path / "output"
    run(plant)
    whole = contents(output)
    place = f"scores/date={DAYS[1]}/part-0.parquet"
    shutil.copy(base.folder / "scored" / place, output / place)
    assert run(plant).partitions == 1
    after = contents(output)
    assert after == whole


def test_events_go_on_by_the_new_p_values(plant, base, tmp_path):
    """What the footers hold is what follows from the new scores, and not what was there before."""
    output = tmp_path / "output"

    def held():
        paths = sorted((output / "flagged").rglob("*.parquet"))
        return [pq.read_metadata(path).metadata[HELD_KEY] for path in paths]

    before = held()
    run(plant)
    made = read_origin(output / "scores" / f"date={DAYS[0]}" / "part-0.parquet")
    rules = EventRules.of(EventSettings(), max_gap=made.max_gap, period=made.period)
    expected = [pack_held(find_held(file, rules, {})) for file in list_files(output, "scores")]
    assert held() == expected
    assert len(before) == len(expected) == 3


def test_suppressed_and_unscored_rows_stay_so(plant, base, tmp_path):
    """Their p-value follows the calibration, their verdict does not."""
    path = tmp_path / "output" / "scores" / f"date={DAYS[1]}" / "part-0.parquet"
    metadata = pq.read_schema(path).metadata
    rows = pq.ParquetFile(path).read()
    frame = rows.to_pandas()
    suppressed = frame.index[frame["verdict"] == "anomaly"][:3]
    frame.loc[suppressed, ["verdict", "reason"]] = ["suppressed", "maintenance"]
    import pyarrow as pa

    changed = pa.Table.from_pandas(frame, rows.schema, preserve_index=False)
    pq.write_table(changed.replace_schema_metadata(metadata), path)
    run(plant)
    after = pq.ParquetFile(path).read().to_pandas()
    assert (after.loc[suppressed, "verdict"] == "suppressed").all()
    assert (after.loc[suppressed, "reason"] == "maintenance").all()
    still = frame["verdict"] == "not_scored"
    assert (after.loc[still, "verdict"] == "not_scored").all()
    assert after.loc[still, "p_value"].isna().all()


def test_partitions_of_another_version_do_not_change(plant, tmp_path):
    """This threshold does not apply to scores of another network."""
    output = tmp_path / "output"
    path = output / "scores" / f"date={DAYS[0]}" / "part-0.parquet"
    table_ = pq.ParquetFile(path).read()
    origin = read_origin(path)
    from dataclasses import replace

    footer = replace(origin, model_version=9).footer()
    pq.write_table(table_.replace_schema_metadata(footer), path)
    before = path.read_bytes()
    done = run(plant)
    assert (done.partitions, done.other) == (2, 1)
    assert path.read_bytes() == before


def test_changed_input_is_scored_with_the_newest_calibration_and_the_rest_left(base, tmp_path):
    """A new threshold alone changes no existing output."""
    shutil.copytree(base.folder / "scored", tmp_path / "output")
    shutil.copytree(base.incoming, tmp_path / "incoming")
    given = {"input": str(tmp_path / "incoming"), "output": str(tmp_path / "output")}
    assert base.score(**given).partitions == 0
    os.truncate(tmp_path / "incoming" / f"{DAYS[2]}.parquet", 0)
    shutil.copy(base.incoming / f"{DAYS[0]}.parquet", tmp_path / "incoming" / "again.parquet")
    (tmp_path / "incoming" / f"{DAYS[0]}.parquet").unlink()
    base.score(**given)
    path = tmp_path / "output" / "scores" / f"date={DAYS[0]}" / "part-0.parquet"
    assert read_origin(path).calibration_version == 2


def test_no_network_is_loaded_and_the_summary_names_the_next_step(base, tmp_path):
    """From scores/ alone, as a command."""
    shutil.copytree(base.folder / "scored", tmp_path / "output")
    config = base.written(output=str(tmp_path / "output"))
    code = (
        "import sys\n"
        "from aedetect.cli import main\n"
        f"sys.argv = ['aedetect', 'score', {str(config)!r}, '--reflag']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        "sys.exit(', '.join({'torch', 'prefect'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        f"without causes yet; to compute them: aedetect score {config} --since {DAYS[0]} --force"
        in " ".join(done.stdout.split())
    )


def test_a_reflag_is_recorded_as_a_run(plant):
    """With the calibration that it applied; one that fails is recorded too."""
    where, output = plant
    clock = lambda: datetime(2026, 2, 1, tzinfo=UTC)  # noqa: E731
    config = where.config(output=output)
    done = reflagging.run_reflagging(config, clock=clock)
    (recorded,) = read_runs(config.output, limit=5)
    assert (recorded["command"], recorded["status"]) == ("reflag", "done")
    assert (recorded["calibration_version"], recorded["partitions"]) == (2, 3)
    assert (recorded["rows"], recorded["flagged"]) == (done.rows, done.flagged)
    assert recorded["events"] == done.events
    assert recorded["since"] == DAYS[0]
    (config.output / "scores" / f"date={DAYS[0]}" / "part-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(AedetectError):
        reflagging.run_reflagging(config, clock=lambda: clock() + timedelta(hours=1))
    failed = read_runs(config.output, limit=5)[0]
    assert (failed["command"], failed["status"]) == ("reflag", "failed")
    assert failed["error"]


def test_a_reflag_says_what_its_threshold_promises(plant, capsys):
    """The rate and how it was chosen, as after a training."""
    done = run(plant)
    assert (done.method, done.promise.share) == ("quantile", pytest.approx(0.02, rel=0.2))
    print_reflagged(done, renewed=False)
    assert f"{done.promise.headline}: quantile" in (" ".join(capsys.readouterr().out.split()))


def test_a_reflag_says_for_what_its_promise_holds(plant, capsys):
    """In the words in which a training and a calibration say it."""
    done = run(plant)
    entities = len({*table("2026-01-01", days=1)["unit"]})
    assert done.scope.startswith(f"for each of {entities} entities by its own held-out rows, at ")
    print_reflagged(done, renewed=False)
    assert f"the promise is made {done.scope}" in " ".join(capsys.readouterr().out.split())
