"""The standard figures about autoencoders, drawn from networks that are trained on real rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.figures.activations import draw_activations
from aedetect.figures.canvas import save_figure
from aedetect.figures.contraction import draw_contraction
from aedetect.figures.feature_plane import choose_plane
from aedetect.figures.latent import draw_latent
from aedetect.figures.manifold import draw_manifold
from aedetect.figures.penalty import draw_penalty
from aedetect.figures.vector_field import draw_field
from aedetect.jobs.dataset import ingest_rows, prepare_rows
from aedetect.output.scratch import temporary_folder
from aedetect.preprocessing.settings import WindowSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from aedetect.config import Config
    from aedetect.figures.feature_plane import Plane
    from aedetect.training import PreparedRows

ON_PLANE: dict[str, Callable[[Plane, int], Figure]] = {
    "manifold": draw_manifold,
    "vector_field": draw_field,
    "contraction": draw_contraction,
}
ON_ROWS: dict[str, Callable[[PreparedRows, int], Figure]] = {
    "kl_penalty": draw_penalty,
    "activations": draw_activations,
    "latent_plane": draw_latent,
}


def draw_figures(config: Config, *, to: Path) -> list[Path]:
    """Train small networks on single rows of the training data; write the figures.

    Returns their paths. Raises NoData when there are fewer than two columns for a plane.
    """
    single = replace(config, window=WindowSettings(length=1))
    seed = config.training.seed
    with temporary_folder() as scratch:
        ingested = ingest_rows(single, scratch)
        prepared = prepare_rows(single, ingested, scratch)
        plane = choose_plane(ingested, prepared)
        written = [
            save_figure(make(plane, seed), to / f"{name}.png") for name, make in ON_PLANE.items()
        ]
        return written + [
            save_figure(make(prepared, seed), to / f"{name}.png") for name, make in ON_ROWS.items()
        ]
