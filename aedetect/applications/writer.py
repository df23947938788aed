"""A table as one Parquet file, or as a folder of files part-N.parquet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aedetect.errors import OutputError
from aedetect.output import aside, publish, written
from aedetect.output.table_writer import TableWriter

if TYPE_CHECKING:
    import pyarrow as pa

    from aedetect.data import SourceFile
    from aedetect.output import Origin

PART_ROWS = 4_000_000  # in a file of a folder
_PART = re.compile(r"part-\d+\.parquet")


class _Parts:
    """Write one file after another to a folder."""

    def __init__(self, folder: Path, schema: pa.Schema, origin: Origin, most: float) -> None:
        self.files: list[TableWriter] = []
        self._opened = ExitStack()
        self._folder, self._schema, self._origin, self._most = folder, schema, origin, most
        self._open_next()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the last file, or release it when the body failed."""
        self._opened.__exit__(kind, error, traceback)

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        if self.files[-1].rows >= self._most:
            self.files[-1].close()
            self._open_next()
        for batch in table.to_batches():
            self.files[-1].write(batch)

    def _open_next(self) -> None:
        path = self._folder / f"part-{len(self.files)}.parquet"
        writer = TableWriter(path, self._schema, self._origin)
        self.files.append(self._opened.enter_context(writer))


@contextmanager
def open_parts(target: Path, schema: pa.Schema, origin: Origin) -> Iterator[_Parts]:
    """Yield a writer for the rows; publish the files when the body ends without error."""
    single = target.suffix == ".parquet"
    with written(target), aside(target.parent if single else target) as folder:
        with _Parts(folder, schema, origin, float("inf") if single else PART_ROWS) as writer:
            yield writer
        if single:
            publish(writer.files[0].path, target)
            return
        names = {file.path.name for file in writer.files}
        for file in writer.files:
            publish(file.path, target / file.path.name)
        for old in target.glob("part-*.parquet"):
            if old.name not in names:
                old.unlink()


def check_target(target: Path, files: tuple[SourceFile, ...]) -> None:
    """Raise OutputError if the target contains the input or files of another program."""
    place = target.resolve()
    for file in files:
        if "://" not in file.path and place in (path := Path(file.path).resolve(), *path.parents):
            raise OutputError(
                f"--to must be another place than the input, but {target} holds {file.name}: "
                "name a new file or folder"
            )
    if target.suffix == ".parquet" and not target.is_dir():
        return
    with written(target):
        foreign = [p for p in target.iterdir() if not _own(p)] if target.exists() else []
    if foreign:
        raise OutputError(
            f"--to must be a file *.parquet, a new folder, or one written by this command, but "
            f"there is {foreign[0]}: name another"
        )


def _own(path: Path) -> bool:
    return path.name == ".aside" or _PART.fullmatch(path.name) is not None
