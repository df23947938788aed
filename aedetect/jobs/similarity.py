"""Find the past windows most similar to a given one, such as one of a flagged interval.

Latent vectors of the training data and the scored data are computed on demand, and cached in
`latent` below [scoring] output. The cache key contains the detector and the content of the files:
when either changes, the latent vectors are computed again and the old ones are removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.applications.embeddings import (
    NAMES_FILE,
    build_embeddings,
    load_embeddings,
)
from aedetect.data import Query, open_engine, read_rows
from aedetect.data.reader import reading
from aedetect.jobs.latents import LATENTS, Similar, find_nearest, latents_key, similarity_files
from aedetect.jobs.rewriting import check_fit
from aedetect.jobs.scoring import resolve_model
from aedetect.jobs.table_clock import table_clock
from aedetect.output import aside, publish, written
from aedetect.output.atomic import updating, withdraw
from aedetect.output.filesystem import forget_listings, is_remote
from aedetect.output.scratch import temporary_folder
from aedetect.scoring import cached_detector

if TYPE_CHECKING:
    from aedetect.applications import Embeddings
    from aedetect.config import Config
    from aedetect.data import SourceFile
    from aedetect.detector import CalibratedScorer, Scorer

_ENGINE_MB = 1_000  # memory of DuckDB while rows are ordered


def find_similar(config: Config, *, entity: str, time: int, limit: int) -> Similar:
    """Return the past windows most similar to the one of an entity that ends at a time (ns)."""
    model = resolve_model(config)
    detector = cached_detector(model.folder)
    with _history(config, detector, Path(model.folder)) as history:
        clock = table_clock(config, detector.scorer.schema)
        return find_nearest(model, history, entity=entity, time=time, limit=limit, clock=clock)


@contextmanager
def _history(config: Config, detector: CalibratedScorer, folder: Path) -> Iterator[Embeddings]:
    """Yield the latent vectors of all windows; compute them when the cached ones are outdated."""
    schema = detector.scorer.schema
    files = similarity_files(config, schema)
    check_fit(schema, files)
    root, key = config.output / LATENTS, latents_key(folder, files)
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
        temporary_folder() as spill,
        open_engine(memory_mb=_ENGINE_MB, threads=2, scratch=spill, files=files) as connection,
        reading(files),
    ):
        build_embeddings(scorer, read_rows(connection, query), scratch / LATENTS)
