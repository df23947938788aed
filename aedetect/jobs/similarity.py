"""Find the past windows most similar to a given one, such as one of a flagged interval.

Latent vectors of the training data and the scored data are computed on demand, and cached in
`latent` below [scoring] output. The cache key contains the detector and the content of the files:
when either changes, the latent vectors are computed again and the old ones are removed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.applications.embeddings import (
    NAMES_FILE,
    build_embeddings,
    load_embeddings,
    nearest_windows,
)
from aedetect.data import Query, find_files, open_engine, read_rows
from aedetect.data.reader import reading
from aedetect.data.schema import suggest_nearest as nearest_name
from aedetect.data.sources import fingerprint_file
from aedetect.errors import NoData
from aedetect.jobs.rewriting import check_fit
from aedetect.jobs.scoring import resolve_model
from aedetect.jobs.table_clock import table_clock
from aedetect.output import aside, publish, written
from aedetect.output.atomic import updating, withdraw
from aedetect.output.filesystem import forget_listings, is_remote
from aedetect.scoring import cached_detector
from aedetect.wall_clock import WallClock

if TYPE_CHECKING:
    from aedetect.applications import Embeddings
    from aedetect.config import Config
    from aedetect.data import SourceFile
    from aedetect.detector import CalibratedScorer, Scorer
    from aedetect.scoring import Model

_UTC = WallClock()
_ENGINE_MB = 1_000  # memory of DuckDB while rows are ordered
LATENTS = "latent"  # folder below the output
NO_ENTITY = "-"


@dataclass(frozen=True, kw_only=True)
class Match:
    """A past window."""

    entity: str | None
    start: str
    end: str
    distance: float  # between latent vectors


@dataclass(frozen=True, kw_only=True)
class Similar:
    """The given window and those similar to it, the nearest first."""

    model: str
    entity: str | None
    start: str
    end: str
    searched: int  # number of windows before it
    typical: float  # median distance of all of them, for comparison
    matches: tuple[Match, ...]


def find_similar(config: Config, *, entity: str, time: int, limit: int) -> Similar:
    """Return the past windows most similar to the one of an entity that ends at a time (ns)."""
    model = resolve_model(config)
    detector = cached_detector(model.folder)
    with _history(config, detector, Path(model.folder)) as history:
        clock = table_clock(config, detector.scorer.schema)
        return _found(model, history, entity=entity, time=time, limit=limit, clock=clock)


def _found(
    model: Model, history: Embeddings, *, entity: str, time: int, limit: int, clock: WallClock
) -> Similar:
    query = locate_window(history, entity=entity, time=time, clock=clock)
    found = nearest_windows(history, query, limit=limit)
    places = history.places
    return Similar(
        model=f"{model.name}/{model.version}",
        entity=history.names[places["entity"][query]],
        start=clock.format(int(places["start"][query])),
        end=clock.format(int(places["end"][query])),
        searched=found.searched,
        typical=found.typical,
        matches=tuple(
            Match(
                entity=history.names[places["entity"][window]],
                start=clock.format(int(places["start"][window])),
                end=clock.format(int(places["end"][window])),
                distance=float(distance),
            )
            for window, distance in zip(found.windows, found.distance, strict=True)
        ),
    )


def locate_window(history: Embeddings, *, entity: str, time: int, clock: WallClock = _UTC) -> int:
    """Return the window of an entity that ends at a time (ns); raise NoData if there is none.

    The error names the nearest window. An entity without a name is written as "-".
    """
    names = [NO_ENTITY if name is None else name for name in history.names]
    if entity not in names:
        listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")  # noqa: PLR2004
        raise NoData(
            f'--at must name an entity of the data, got "{entity}"'
            f"{nearest_name(entity, names)}; there are {listed or 'none'}"
        )
    own = np.flatnonzero(history.places["entity"] == names.index(entity))
    if not len(own):
        raise NoData(
            f"--at needs a full window of {history.length} rows, but {entity} has none: choose "
            "another entity"
        )
    closest = own[np.abs(history.places["end"][own] - time).argmin()]
    if history.places["end"][closest] != time:
        raise NoData(
            f"--at needs a row that ends a full window of {history.length} rows, but none of "
            f"{entity} does at {clock.format(time)}: the nearest that does is at "
            f"{clock.format(int(history.places['end'][closest]))}"
        )
    return int(closest)


@contextmanager
def _history(config: Config, detector: CalibratedScorer, folder: Path) -> Iterator[Embeddings]:
    """Yield the latent vectors of all windows; compute them when the cached ones are outdated."""
    schema = detector.scorer.schema
    inputs = config.input if config.scoring.input else ()
    locations = tuple(dict.fromkeys((*config.train, *inputs)))
    sources = [find_files((location,), timestamp=schema.timestamp) for location in locations]
    files = tuple({file.path: file for source in sources for file in source.files}.values())
    check_fit(schema, files)
    root, key = config.output / LATENTS, _key(folder, files)
    forget_listings(root)
    with updating(root), written(root), aside(root) as scratch:
        if not (root / key / NAMES_FILE).exists():
            _compute(detector.scorer, files, scratch)
            for old in _all_files(root):
                withdraw(old, root=root)
            # The names last: they mark the folder as complete.
            for path in sorted(
                (scratch / LATENTS).iterdir(), key=lambda path: path.name == NAMES_FILE
            ):
                publish(path, root / key / path.name)
        yield load_embeddings(_mappable(root / key, scratch))


def _all_files(root: Path) -> list[Path]:
    """List the files of all vectors, the names first: without them a folder is incomplete."""
    listed = root.iterdir() if root.is_dir() else ()
    folders = [each for each in listed if not each.name.startswith(".")]
    files = [path for folder in folders for path in folder.iterdir()]
    return sorted(files, key=lambda path: path.name != NAMES_FILE)


def _mappable(place: Path, scratch: Path) -> Path:
    """Return a local folder with the files of a folder that may be on object storage."""
    if not is_remote(place):
        return place
    target = scratch / place.name
    target.mkdir()
    for path in place.iterdir():
        with path.open("rb") as source, (target / path.name).open("wb") as copy:
            shutil.copyfileobj(source, copy)
    return target


def _compute(scorer: Scorer, files: tuple[SourceFile, ...], scratch: Path) -> None:
    schema = scorer.schema
    query = Query.of(schema, files)
    (scratch / LATENTS).mkdir()
    with (
        tempfile.TemporaryDirectory(prefix="aedetect-") as spill,
        open_engine(memory_mb=_ENGINE_MB, threads=2, scratch=Path(spill)) as connection,
        reading(files),
    ):
        build_embeddings(scorer, read_rows(connection, query), scratch / LATENTS)


def _key(folder: Path, files: tuple[SourceFile, ...]) -> str:
    """Return the cache key: a hash of the files of the detector and of the data.

    Later calibrations are in a subfolder and not part of the key, because they change no latent
    vector.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    contents = sorted(fingerprint_file(file) for file in files)  # names may clash between sources
    digest.update(json.dumps(contents).encode())
    return digest.hexdigest()
