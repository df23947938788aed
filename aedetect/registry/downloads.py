"""Detectors of a remote registry on this machine: each is brought once, and kept for later runs.

What a version holds changes with its calibrations alone, so a download is named by both. They lie
in the user's cache ($XDG_CACHE_HOME, else ~/.cache); only the last ones used stay there. Where that
folder cannot be written they last as long as the process.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

KEPT = 16  # downloads
UNTOUCHED = 86_400.0  # seconds without use after which one beyond those is removed: no run holds it


def kept(key: Sequence[str], *, bring: Callable[[Path], Path], whole: str) -> Path:
    """Return the folder of a download; when it is not there, `bring` it.

    That is given an empty folder and returns the place in it where the download is. It counts when
    it holds the file `whole`. Several processes may bring the same: one is kept.
    """
    root = _root()
    folder = root / hashlib.blake2b("\0".join(key).encode(), digest_size=16).hexdigest()
    if not (folder / whole).is_file():
        with tempfile.TemporaryDirectory(prefix=".", dir=root) as scratch:
            new = bring(Path(scratch))
            _sync(new)
            _put(new, folder, whole=whole)
        _prune(root)
    with suppress(OSError):
        os.utime(folder)
    return folder


def _put(new: Path, folder: Path, *, whole: str) -> None:
    """Put a folder in its place, unless another process was faster; what lost files gives way."""
    if folder.exists() and not (folder / whole).is_file():
        shutil.rmtree(folder, ignore_errors=True)
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _root() -> Path:
    """Return the folder of all downloads, made if absent: nobody else may write there."""
    with suppress(OSError, RuntimeError):
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        root = Path(base, "aedetect", "detectors").absolute()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(root, os.W_OK | os.X_OK) and root.stat().st_uid == os.getuid():
            return root
    return Path(_temporary().name)


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that goes with the process."""
    return tempfile.TemporaryDirectory(prefix="aedetect-")


def _sync(folder: Path) -> None:
    """See that the files are on the disk: a name that holds a half would be believed for good."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def _prune(root: Path) -> None:
    """Remove downloads that were not used for long, but the last ones, and what a kill left."""
    with suppress(OSError):
        used = {path: path.stat().st_mtime for path in root.iterdir()}
        whole = sorted((path for path in used if path.name[0] != "."), key=used.__getitem__)
        torn = [path for path in used if path.name[0] == "."]
        for path in (*whole[:-KEPT], *torn):
            if used[path] < time.time() - UNTOUCHED:
                shutil.rmtree(path, ignore_errors=True)
