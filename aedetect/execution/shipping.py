"""The detector as bytes, so that workers need neither the registry nor its folder."""

from __future__ import annotations

import atexit
import hashlib
import io
import threading
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from aedetect.output.scratch import temporary_folder

_KEPT = 4  # detectors of one process, as in `aedetect.scoring.loaded`
_lock = threading.Lock()
_unpacked: dict[str, tuple[str, ExitStack]] = {}  # by digest, the newest last


@dataclass(frozen=True)
class PackedFolder:
    """The files of a folder, as a ZIP archive."""

    digest: str
    content: bytes


def pack_folder(folder: Path) -> PackedFolder:
    """Read a folder with all that is below it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            # A fixed date, so that equal content has an equal digest.
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            archive.writestr(info, path.read_bytes())
    content = stream.getvalue()
    return PackedFolder(hashlib.sha256(content).hexdigest(), content)


def unpack_folder(packed: PackedFolder) -> str:
    """Return a folder of this process with the files; the same one for the same content."""
    with _lock:
        if packed.digest not in _unpacked:
            while len(_unpacked) >= _KEPT:
                _unpacked.pop(next(iter(_unpacked)))[1].close()
            opened = ExitStack()
            place = opened.enter_context(temporary_folder())
            with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
                archive.extractall(place)
            _unpacked[packed.digest] = str(place), opened
        return _unpacked[packed.digest][0]


@atexit.register
def _forget() -> None:
    """Remove the folders at the end of the process; those of a killed one go with the next."""
    while _unpacked:
        _unpacked.popitem()[1][1].close()
