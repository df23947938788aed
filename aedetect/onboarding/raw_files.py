"""Files that people have: Parquet, CSV, JSON lines, alone, in folders or in a zip archive."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from aedetect.data.discovery import locate_files
from aedetect.data.first_bytes import SUFFIXES
from aedetect.data.table_formats import table_format
from aedetect.errors import NoData, OutputError, UnreadableFile
from aedetect.wording import list_some

RawKind = Literal["parquet", "csv", "json"]

_KINDS: dict[str, RawKind] = {
    **dict.fromkeys(SUFFIXES, "parquet"),
    **dict.fromkeys((".csv", ".tsv", ".txt", ".dat"), "csv"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
}
_COMPRESSED = {".gz": "gzip", ".zst": "zstd"}
_SHEETS = (".xlsx", ".xls", ".ods")
_NAMED = 5  # files in a message


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """One file that may hold a table."""

    path: str
    name: str  # relative to what was asked for
    kind: RawKind
    compression: str = "none"

    @property
    def stem(self) -> str:
        """The name of the file without folders and suffixes.

        >>> RawFile(path="/in/a/pump-1.csv.gz", name="a/pump-1.csv.gz", kind="csv").stem
        'pump-1'
        """
        name = PurePosixPath(self.name).name
        for suffix in (*_COMPRESSED, *_KINDS):
            name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
        return name

    @property
    def folder(self) -> str:
        """The name of the folder that it is in, "" for what was asked for itself."""
        return PurePosixPath(self.name).parent.name


def find_raw_files(locations: Sequence[Path], scratch: Path) -> tuple[RawFile, ...]:
    """Find the tables at some locations; zip archives are unpacked into a scratch folder.

    Raises NoData when there is none, UnreadableFile for a damaged archive.
    """
    found: list[RawFile] = []
    others: list[str] = []
    for location in locations:
        if not location.exists():
            raise NoData(f"no such file or folder: {location}: check the path")
        if location.is_dir() and _is_table(location):
            files = locate_files(str(location)).files
            found += [RawFile(path=path, name=name, kind="parquet") for path, name in files]
            continue
        own = f"{location.resolve().name}/" if location.is_dir() and len(locations) > 1 else ""
        for path, inner in _below(location, scratch):
            name = own + inner
            if file := _raw_file(path, name):
                found.append(file)
            else:
                others.append(name)
    if not found:
        raise NoData(_nothing(locations, others))
    return tuple(sorted(found, key=lambda file: file.name))


def _is_table(folder: Path) -> bool:
    from aedetect.data.discovery import filesystem

    fs, path = filesystem(str(folder))
    return table_format(fs, path) is not None


def _below(location: Path, scratch: Path) -> Iterator[tuple[Path, str]]:
    """Yield the visible files at a location, and those in its archives, with their names."""
    if location.is_file():
        listed: Iterable[Path] = [location]
        root = location.parent
    else:
        listed, root = sorted(location.rglob("*")), location
    for path in listed:
        parts = path.relative_to(root).parts
        if not path.is_file() or any(part.startswith((".", "_")) for part in parts):
            continue
        if path.suffix.lower() != ".zip":
            yield path, "/".join(parts)
            continue
        unpacked = _unpack(path, scratch / f"zip-{path.stem}")
        for inner in sorted(unpacked.rglob("*")):
            names = inner.relative_to(unpacked).parts
            if inner.is_file() and not any(name.startswith((".", "_")) for name in names):
                yield inner, "/".join(names)


def _unpack(archive: Path, target: Path) -> Path:
    """Unpack an archive; names that lead out of the folder are refused."""
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [each for each in packed.infolist() if not each.is_dir()]
            size = sum(each.file_size for each in members)
            target.mkdir(parents=True, exist_ok=True)
            if size > shutil.disk_usage(target).free:
                raise OutputError(
                    f"{target} has no room for the {size:,} bytes in {archive.name}: free space, "
                    "or unpack it elsewhere and name that folder"
                )
            for each in members:
                inside = (target / each.filename).resolve()
                if not inside.is_relative_to(target.resolve()):
                    raise UnreadableFile(
                        f'{archive.name} has a file named "{each.filename}", which leads out of '
                        "the archive: pack it again"
                    )
                packed.extract(each, target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UnreadableFile(
            f"{archive.name} is not a readable zip archive ({error}): pack it again, without a "
            "password"
        ) from error
    return target


def _raw_file(path: Path, name: str) -> RawFile | None:
    lower = name.lower()
    compression = "none"
    for suffix, method in _COMPRESSED.items():
        if lower.endswith(suffix):
            lower, compression = lower.removesuffix(suffix), method
    kind = next((kind for suffix, kind in _KINDS.items() if lower.endswith(suffix)), None)
    if kind is None or (kind == "parquet" and compression != "none"):
        return None
    return RawFile(path=str(path), name=name, kind=kind, compression=compression)


def _nothing(locations: Sequence[Path], others: Sequence[str]) -> str:
    """Return why there is nothing to read, with a remedy."""
    where = ", ".join(map(str, locations))
    readable = "Parquet, CSV, CSV.gz, JSON lines, or a zip archive of them"
    if any(name.lower().endswith(_SHEETS) for name in others):
        return f"{where} is a spreadsheet: save each sheet as CSV, and name the CSV file"
    beside = f"; there are {list_some(others, most=_NAMED)}" if others else ""
    return f"no table in {where}: give {readable}{beside}"
