"""Output on object storage, with a real S3 server on this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from plant import DAYS, contents

from aedetect.errors import ConfigError, OutputError
from aedetect.output.filesystem import is_remote, output_path
from aedetect.scoring.run_log import read_runs


def stored(url):
    """Return every object below a URL with its bytes."""
    root = output_path(url)
    root.fs.invalidate_cache()
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"), key=str)
        if path.is_file()
    }


def pure(files):
    """Leave out what records runs."""
    return {name: data for name, data in files.items() if name.startswith(("scores/", "flagged/"))}


def test_local_folders_are_paths():
    """With or without the protocol written out."""
    assert output_path("/var/verdicts") == Path("/var/verdicts")
    assert output_path("file:///var/verdicts") == Path("/var/verdicts")
    assert not is_remote(output_path("/var/verdicts"))


def test_an_unknown_protocol_is_refused():
    """The message names it and the remedy."""
    with pytest.raises(ConfigError, match='no installed package supports "tape://"'):
        output_path("tape://verdicts")


def test_object_storage_holds_what_a_folder_would(plant, bucket):
    """The same objects, byte for byte, and no scratch left behind."""
    plant.score()
    plant.score(output=f"{bucket}/verdicts")
    objects = stored(f"{bucket}/verdicts")
    assert pure(objects) == pure(contents(plant.output))
    assert len(pure(objects)) == 2 * len(DAYS)
    assert not [name for name in objects if ".aside" in name]


def test_a_second_run_does_nothing(plant, bucket):
    """The footers are read from the storage."""
    plant.score(output=bucket)
    again = plant.score(output=bucket)
    assert (again.partitions, again.current) == (0, len(DAYS))


def test_runs_are_recorded_on_object_storage(plant, bucket):
    """The newest first, as in a folder."""
    begin = datetime(2026, 1, 6, tzinfo=UTC)
    for days in (0, 1):
        plant.score(output=f"{bucket}/verdicts", clock=lambda n=days: begin + timedelta(days=n))
    runs = read_runs(output_path(f"{bucket}/verdicts"), limit=9)
    assert [(run["started"], run["current"]) for run in runs] == [
        (begin + timedelta(days=1), len(DAYS)),
        (begin, 0),
    ]
    assert read_runs(output_path(f"{bucket}/verdicts"), limit=1) == runs[:1]
    assert read_runs(output_path(f"{bucket}/nothing"), limit=1) == []


def test_deleted_input_withdraws_objects(plant, bucket):
    """Its partition is removed, the others stay."""
    plant.score(output=bucket)
    (plant.incoming / f"{DAYS[2]}.parquet").unlink()
    plant.score(output=bucket)
    assert {name.split("/")[1] for name in pure(stored(bucket))} == {
        f"date={day}" for day in DAYS[:2]
    }


def test_a_run_killed_between_two_uploads_is_finished_by_the_next(plant, bucket):
    """Flagged rows without their scores are not treated as a complete partition."""
    plant.score(output=bucket)
    whole = pure(stored(bucket))
    (output_path(bucket) / "scores" / f"date={DAYS[1]}" / "part-0.parquet").unlink()
    assert plant.score(output=bucket).partitions == 1
    assert pure(stored(bucket)) == whole


def test_unavailable_storage_is_reported(plant, bucket, monkeypatch):
    """One message that names the output, and no traceback of its client."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(OutputError, match=f"{bucket}.*cannot be"):
        plant.score(output=bucket)


def test_credentials_are_not_in_the_output(plant, bucket):
    """No object holds them."""
    plant.score(output=bucket)
    assert not [name for name, data in stored(bucket).items() if b"secret" in data]
