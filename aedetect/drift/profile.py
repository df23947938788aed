"""What the training rows were like, day by day: kept with the detector as safetensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int64, column_quantiles
from aedetect.data.memmap import pick_rows
from aedetect.drift.binning import (
    BINS,
    block_days,
    scaled_values,
    stability_index,
)
from aedetect.drift.experience import index_limits, level_limits, levels, missing_limits
from aedetect.drift.file_checks import FILE, check_numbers, check_sizes
from aedetect.drift.training_days import TrainingDays

if TYPE_CHECKING:
    from aedetect.calibration import HeldOut
    from aedetect.data import Rows
    from aedetect.preprocessing import Preparation

DETAILED_CELLS = 20_000  # entities times columns, up to which each entity has its own distributions
_SAMPLE_CELLS = 4_000_000
_ARRAYS = ("edges", "usual", "limit", "missing", "level", "level_limit", "whole")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Distributions of the training rows. Shapes: F features, G groups, E entities.

    edges (F, BINS - 1) in units of the scaling; usual (G, F, BINS) counts of each entity, and last
    of all together: G is E + 1, or 1 where that would be too many; limit (F,) PSI of a day beyond
    which a column has shifted, infinity without experience; missing (F,) share beyond which
    cells are lost; level (E + 1,) mean logarithm of the held-out scores, NaN if not all positive;
    level_limit (E + 1,) how far that of a day may be beyond it, as a logarithm;
    whole (1,) how many rows a day has that is judged.
    """

    edges: Float64
    usual: Float64
    limit: Float64
    missing: Float64
    level: Float64
    level_limit: Float64
    whole: Float64

    @classmethod
    def fit(
        cls,
        rows: Rows,
        preparation: Preparation,
        *,
        period: int,
        held_out: HeldOut,
        learnt: HeldOut | None = None,
    ) -> Profile:
        """Read the training rows once for edges and once for counts, batch by batch.

        Scores of rows that were only looked at in training, `learnt`, tell how days differ, too.
        """
        entities, columns = len(preparation.entities), len(preparation.features)
        edges = _edges(rows, preparation)
        detailed = entities * columns <= DETAILED_CELLS
        groups = entities + 1 if detailed else 1
        usual = np.zeros((groups, columns, BINS))
        days = TrainingDays.of(rows, preparation, edges, period)
        np.add.at(usual, days.group if detailed else np.zeros_like(days.group), days.counts)
        if detailed and entities:
            usual[-1] = usual[:-1].sum(axis=0)
        own = usual[days.group] if detailed else usual[np.zeros_like(days.group)]
        index = stability_index(days.counts, own - days.counts)
        return cls(
            edges=edges,
            usual=usual,
            limit=index_limits(index, days),
            missing=missing_limits(days),
            level=levels(held_out, entities),
            level_limit=level_limits(
                held_out if learnt is None else held_out.normal.joined(learnt.normal),
                entities,
                length=block_days(period),
            ),
            whole=days.complete[None].astype(np.float64),
        )

    @property
    def detailed(self) -> bool:
        """Whether each entity has its own distributions."""
        return len(self.usual) == len(self.level)

    def usual_of(self, code: Int64) -> Float64:
        """Return the usual counts of entities, -1 for those of all: (N,) -> (N, F, BINS)."""
        return np.asarray(self.usual[code if self.detailed else np.full_like(code, -1)])

    def write(self, folder: Path) -> None:
        """Write the profile beside the other files of a detector."""
        from safetensors.numpy import save_file

        save_file({name: getattr(self, name) for name in _ARRAYS}, folder / FILE)

    @classmethod
    def read(cls, folder: Path, *, features: int, entities: int) -> Profile | None:
        """Read the profile; None when a detector of an earlier version has none.

        Raises ValueError if sizes differ from those of the detector, before memory is taken.
        """
        from safetensors import SafetensorError, safe_open

        if not (folder / FILE).exists():
            return None
        try:
            with safe_open(folder / FILE, framework="numpy") as stored:
                slices = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
                shapes = {name: tuple(each.get_shape()) for name, each in slices.items()}
                kinds = {each.get_dtype() for each in slices.values()}
                check_sizes(shapes, kinds, features, entities)
                arrays = {name: stored.get_tensor(name) for name in _ARRAYS}
        except SafetensorError as error:
            raise ValueError(f"{FILE}: {error}") from error
        check_numbers(arrays)
        return cls(**arrays)


def _edges(rows: Rows, preparation: Preparation) -> Float64:
    """Return inner edges: quantiles of a sample of the rows; codes of categories: (F, BINS - 1)."""
    step = max(len(rows) * len(preparation.features) // _SAMPLE_CELLS, 1)
    chosen = np.arange(0, len(rows), step)
    picked = rows.take(slice(0, len(rows), step))
    sample = type(rows)(
        time=picked.time,
        entity=picked.entity,
        names=rows.names,
        values=pick_rows(rows.values, chosen),
    )
    values = scaled_values(preparation, sample, preparation.entity_codes(sample))
    edges = column_quantiles(values, np.arange(1, BINS) / BINS, empty=0.0).T
    texts = [feature.is_text for feature in preparation.features]
    edges[texts] = np.arange(BINS - 1)  # unknown (-1), each of the first codes, the rest
    return np.ascontiguousarray(edges)
