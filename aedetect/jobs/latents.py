"""Windows that are similar by their latent vectors, where these are kept already.

The vectors of all windows are in `latent` below [scoring] output, in a folder whose name depends on
the detector and on the content of the files: `aedetect.jobs.similarity` computes them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.applications.embeddings import NAMES_FILE, load_embeddings, nearest_windows
from aedetect.data import find_files
from aedetect.data.schema import suggest_nearest as nearest_name
from aedetect.data.sources import fingerprint_file
from aedetect.errors import NoData
from aedetect.jobs.table_clock import table_clock
from aedetect.output.filesystem import is_remote
from aedetect.scoring.loaded import cached_outline
from aedetect.wall_clock import WallClock

if TYPE_CHECKING:
    from aedetect.applications import Embeddings
    from aedetect.config import Config
    from aedetect.data import Schema, SourceFile
    from aedetect.scoring import Model

_UTC = WallClock()
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


def find_known_similar(
    config: Config, model: Model, *, entity: str, time: int, limit: int
) -> Similar | None:
    """Return the past windows most similar to one; None when no latent vectors are kept.

    Raises NoData when no window of the entity ends at the time (ns).
    """
    root = config.output / LATENTS
    if is_remote(root) or not root.is_dir():
        return None
    schema = cached_outline(model.folder).schema
    folder = root / latents_key(Path(model.folder), similarity_files(config, schema))
    if not (folder / NAMES_FILE).exists():
        return None
    clock = table_clock(config, schema)
    history = load_embeddings(folder)
    return find_nearest(model, history, entity=entity, time=time, limit=limit, clock=clock)


def find_nearest(
    model: Model, history: Embeddings, *, entity: str, time: int, limit: int, clock: WallClock
) -> Similar:
    """Return the past windows most similar to the one of an entity that ends at a time (ns)."""
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


def similarity_files(config: Config, schema: Schema) -> tuple[SourceFile, ...]:
    """Return the files of the training and of the input, each once."""
    inputs = config.input if config.scoring.input else ()
    locations = tuple(dict.fromkeys((*config.train, *inputs)))
    sources = [find_files((location,), timestamp=schema.timestamp) for location in locations]
    return tuple({file.path: file for source in sources for file in source.files}.values())


def latents_key(folder: Path, files: tuple[SourceFile, ...]) -> str:
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
