"""A local cache of detectors from a remote registry.

The content of a version changes only with its calibrations, so the cache key contains both. The
downloads are in the user's cache folder ($XDG_CACHE_HOME, else ~/.cache); the most recently used
ones are kept. If that folder is not writable, downloads last as long as the process.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

from aedetect.output.scratch import temporary_folder

MAX_DOWNLOADS = 16  # downloads
MAX_UNUSED_SECONDS = (
    86_400.0  # a download beyond those is removed if unused for longer: no run uses it
)


def cached_download(key: Sequence[str], *, download: Callable[[Path], Path], marker: str) -> Path:
    """Return the folder of a download; call `download` if it is not cached.

    `download` gets an empty folder and returns the path of the download inside it. A download is
    complete when it contains the file `marker`. If several processes download the same, one copy is
    kept.
    """
    root = _cache_root()
    folder = root / hashlib.blake2b("\0".join(key).encode(), digest_size=16).hexdigest()
    if not (folder / marker).is_file():
        with tempfile.TemporaryDirectory(prefix=".", dir=root) as scratch:
            new = download(Path(scratch))
            _sync(new)
            _move_into_cache(new, folder, marker=marker)
        _prune(root)
    with suppress(OSError):
        os.utime(folder)
    return folder


def _move_into_cache(new: Path, folder: Path, *, marker: str) -> None:
    """Move a download into the cache, unless another process was faster."""
    if folder.exists() and not (folder / marker).is_file():
        shutil.rmtree(folder, ignore_errors=True)
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _cache_root() -> Path:
    """Return the cache folder, created if absent; only the user may write to it."""
    with suppress(OSError, RuntimeError):
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        root = Path(base, "aedetect", "detectors").absolute()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(root, os.W_OK | os.X_OK) and root.stat().st_uid == os.getuid():
            return root
    return _temporary_cache()


@cache
def _temporary_cache() -> Path:
    """Return a folder that is removed with the process."""
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(temporary_folder())


def _sync(folder: Path) -> None:
    """Flush the files to disk: an incomplete file in the cache would never be replaced."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def _prune(root: Path) -> None:
    """Remove downloads that are long unused, except the last ones, and remains of killed runs."""
    with suppress(OSError):
        used = {path: path.stat().st_mtime for path in root.iterdir()}
        complete = sorted((path for path in used if path.name[0] != "."), key=used.__getitem__)
        partial = [path for path in used if path.name[0] == "."]
        for path in (*complete[:-MAX_DOWNLOADS], *partial):
            if used[path] < time.time() - MAX_UNUSED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
