"""The code that comes with a saved model: aedetect as a wheel, and what it needs, pinned.

No package index has to hold this version of aedetect, and one file is stored instead of hundreds.
The format: https://packaging.python.org/specifications/binary-distribution-format/.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_PACKAGES = ("aedetect", "pipelines")
_LEFT_OUT = ("sample", "__pycache__")  # the sample is for `aedetect demo` only: 8 MB
_TIME = (1980, 1, 1, 0, 0, 0)  # of every file, so that the same code gives the same bytes
_KEPT = ("METADATA", "entry_points.txt")
_TAG = "Wheel-Version: 1.0\nGenerator: aedetect\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
# What scoring a frame imports. The command line, training and delivery need more.
_NEEDED = (
    "annotated-types",
    "duckdb",
    "fsspec",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scipy",
    "torch",
    "tzdata",
    "universal-pathlib",
)


def pinned_requirements() -> list[str]:
    """Return what a saved model needs beside its wheel, in the versions of this process.

    A local build, such as torch 2.13.0+cpu, is pinned without its suffix: no index has it.
    """
    return [_pinned(name) for name in _NEEDED]


def _pinned(name: str) -> str:
    try:
        return f"{name}=={version(name).partition('+')[0]}"
    except PackageNotFoundError:  # such as a torch that no installer has noted down
        return name


def write_wheel(folder: Path) -> Path:
    """Write the running code as a wheel into a folder; return its path.

    `pip install` takes it; Python also imports from it as it is, because it has no compiled part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name, content = _wheel()
    path = folder / name
    path.write_bytes(content)
    return path


@cache
def _wheel() -> tuple[str, bytes]:
    """Return name and content of the wheel: the running code does not change."""
    installed = _installed()
    number = installed.version if installed else "0"
    name = f"aedetect-{number}"
    info = f"{name}.dist-info"
    record = []
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as wheel:
        for place, content in (*_code(), *_described(installed, info)):
            wheel.writestr(zipfile.ZipInfo(place, _TIME), content, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            record.append(f"{place},sha256={digest.decode()},{len(content)}\n")
        record.append(f"{info}/RECORD,,\n")
        wheel.writestr(zipfile.ZipInfo(f"{info}/RECORD", _TIME), "".join(record))
    return f"{name}-py3-none-any.whl", stream.getvalue()


def _installed() -> Distribution | None:
    try:
        return distribution("aedetect")
    except PackageNotFoundError:  # the code runs from a folder that is not installed
        return None


def _code() -> Iterator[tuple[str, bytes]]:
    """Yield the files of the packages, in the order of their paths."""
    for package in _PACKAGES:
        yield from _walk(files(package), package)


def _walk(folder: Traversable, place: str) -> Iterator[tuple[str, bytes]]:
    for each in sorted(folder.iterdir(), key=lambda found: found.name):
        if each.name in _LEFT_OUT:
            continue
        if each.is_dir():
            yield from _walk(each, f"{place}/{each.name}")
        elif each.name.endswith((".py", "py.typed")):
            yield f"{place}/{each.name}", each.read_bytes()


def _described(installed: Distribution | None, info: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files that describe the distribution."""
    for name in _KEPT:
        text = installed.read_text(name) if installed else None
        if text is None and name == "METADATA":
            text = "Metadata-Version: 2.1\nName: aedetect\nVersion: 0\n"
        if text is not None:
            yield f"{info}/{name}", text.encode()
    yield f"{info}/WHEEL", _TAG.encode()
