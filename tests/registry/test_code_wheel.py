"""The code that comes with a saved model."""

from __future__ import annotations

import base64
import csv
import hashlib
import subprocess
import sys
import zipfile

import pytest
from packaging.requirements import Requirement

from aedetect.registry.code_wheel import pinned_requirements, write_wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the running code."""
    return write_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_has_the_packages_and_no_data(wheel):
    """All code, the type marker, the command, and no sample."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {"aedetect/__init__.py", "aedetect/py.typed", "pipelines/training.py"} <= set(names)
    assert not [name for name in names if "sample/" in name or name.endswith(".pyc")]
    assert [name.partition("/")[2] for name in names[-4:]] == [
        "METADATA",
        "entry_points.txt",
        "WHEEL",
        "RECORD",
    ]


def test_the_record_matches_every_file(wheel):
    """So that pip takes it."""
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read(archive.namelist()[-1]).decode().splitlines()
        for name, digest, size in csv.reader(record[:-1]):
            content = archive.read(name)
            found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            assert (digest, size) == (f"sha256={found.decode()}", str(len(content)))
        assert len(record) == len(archive.namelist())


def test_the_same_code_gives_the_same_bytes(wheel, tmp_path):
    """No time and no name of a machine is in it."""
    assert write_wheel(tmp_path).read_bytes() == wheel.read_bytes()


def test_every_requirement_is_pinned_to_a_version_of_an_index():
    """A local build such as +cpu is on none."""
    for each in pinned_requirements():
        (pin,) = Requirement(each).specifier
        assert (pin.operator, "+" in pin.version) == ("==", False)


def test_pip_installs_the_wheel(wheel, tmp_path):
    """As the package that it is, with its command."""
    asked = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*asked, "--target", tmp_path, wheel], check=True)
    assert (tmp_path / "aedetect" / "registry" / "pyfunc_model.py").is_file()
    assert (tmp_path / "bin" / "aedetect").is_file()
