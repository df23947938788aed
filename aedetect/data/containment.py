"""Whether a file that is written somewhere would be found among the input."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aedetect.data.discovery import filesystem, matches, unescaped

if TYPE_CHECKING:
    import fsspec


def would_find(location: str, path: str) -> bool:
    """Whether a location (file, folder, glob or URL) stands for a path or URL, once it is there.

    Links are followed: two names of one folder are one folder.
    """
    fs, asked = filesystem(location)
    other, place = filesystem(path)
    if type(fs) is not type(other) or fs.storage_options != other.storage_options:
        return False
    for each in dict.fromkeys((asked, unescaped(asked))):
        if fs.exists(each):
            return matches(_real(fs, each), _real(fs, place))
    return matches(_real(fs, asked), _real(fs, place), pattern=True)


def _real(fs: fsspec.AbstractFileSystem, path: str) -> str:
    return os.path.realpath(path) if "file" in fs.protocol else path.rstrip("/")
