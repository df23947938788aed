"""Open files by their literal path for DuckDB, without listing folders or matching patterns.

An address is `exactly://PATH/`: the path or URL, quoted so that it is one piece.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from io import RawIOBase
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote

from fsspec import AbstractFileSystem

from aedetect.data.discovery import filesystem
from aedetect.data.scan import PROTOCOL
from aedetect.data.sources import open_file


class ExactFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Opens addresses made by `aedetect.data.scan.address`."""

    protocol = PROTOCOL
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{PROTOCOL}://")

    def unstrip_protocol(self, name: str) -> str:
        """Return the address unchanged."""
        return f"{PROTOCOL}://{self._strip_protocol(name)}"

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the address itself, which is not a pattern."""
        return [path]

    def exists(self, _path: str, **_: Any) -> bool:
        """Return True: opening the file shows whether it exists."""
        return True

    def modified(self, path: str) -> datetime:
        """Return the modification time of a local file; URLs are read only once."""
        place = _place(path)
        seconds = 0.0 if "://" in place else Path(place).stat().st_mtime
        return datetime.fromtimestamp(seconds, tz=UTC)

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        fs, place = filesystem(_place(path))
        return int(fs.size(place))

    def open(self, path: str, mode: str = "rb", **_: Any) -> IO[bytes]:
        """Open a file for reading."""
        del mode
        place = _place(path)
        return open_file(place) if "://" in place else cast("IO[bytes]", _LocalFile(place))


class _LocalFile(RawIOBase):
    """A local file with one position per thread, because DuckDB shares it between threads.

    It is closed on garbage collection, because DuckDB does not close the files that it opens.
    """

    def __init__(self, path: str) -> None:
        self._number = -1
        self._number = os.open(path, os.O_RDONLY)
        self._own = threading.local()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move this thread's position."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell()}.get(whence)
        self._own.at = offset + (os.fstat(self._number).st_size if start is None else start)
        return self.tell()

    def tell(self) -> int:
        """Return this thread's position."""
        return int(getattr(self._own, "at", 0))

    def read(self, size: int = -1) -> bytes:
        """Read from this thread's position."""
        left = os.fstat(self._number).st_size - self.tell()
        content = os.pread(self._number, max(0, left if size < 0 else size), self.tell())
        self._own.at = self.tell() + len(content)
        return content

    def close(self) -> None:
        """Close the file once."""
        if self._number >= 0:
            os.close(self._number)
            self._number = -1
        super().close()


def _place(address: str) -> str:
    """Return the path or URL of an address.

    >>> _place("exactly://%2Fdata%2Fd%5B1%5D.parquet/")
    '/data/d[1].parquet'
    """
    return unquote(address.removeprefix(f"{PROTOCOL}://").partition("/")[0])
