"""Scaling, network and score of a detector as one torch module over a block of rows.

It takes rows of one entity in their order and returns their scores, and is what `aedetect export`
writes as ONNX. `Scorer.judge` is the reference: the tests hold the two together. Left to the caller
is all that is not the score: rules of columns, suppression, events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from aedetect.data.missing_values import missing_ranges
from aedetect.detector.ensemble import (
    BASELINE_ROWS,
    DEVIATION_ROWS,
    HIGHEST,
    LEAST,
    LEVEL,
    LEVEL_POWER,
    LEVEL_ROWS,
    MEMBERS,
    PRIOR,
    RESIDUAL_ROWS,
    SWITCHES,
)
from aedetect.detector.graph_steps import (
    calendar,
    compressed,
    exact_means,
    exact_sums,
    last_places,
    runs_of,
    shape_distances,
    whole_windows,
)
from aedetect.detector.ticks import GRID, TICKS, tick_length

if TYPE_CHECKING:
    from aedetect.calibration import Calibration
    from aedetect.detector.scorer import Scorer


class ScoreGraph(nn.Module):
    """Scores of consecutive rows of one entity.

    Inputs: rows (R, F) float64 in original units, a boolean as 0 or 1, a category as its place
    among the categories; time (R,) int64, ns since 1970; entity () int64, its place among the
    entities, -1 for one that training did not have. Outputs: score (R,) float32, NaN where a row
    has no window of rows without a gap or a missing value; threshold () float64 of the entity.
    """

    def __init__(self, scorer: Scorer, calibration: Calibration) -> None:
        """Take over the parameters of a scorer; see `lacking_steps` for what it must not have."""
        super().__init__()
        self.scorer_score, self.top_k = scorer.score, scorer.top_k
        self.length, self.smooth = scorer.length, scorer.smooth
        self.model = scorer.model
        self.long = scorer.long if scorer.combines else None
        preparation, schema, residuals = scorer.preparation, scorer.schema, scorer.residuals
        self.clip, self.context = preparation.clip, preparation.context
        self.widths = [len(each.categories) for each in preparation.features]  # 0: a number
        # Places of features, and numbers from ... to that stand for a missing value of each.
        self.missing = [
            (place, low, high)
            for place, each in enumerate(preparation.features)
            for low, high in missing_ranges(each.missing)
        ]
        owner = preparation.owner
        names = (*(preparation.entities or (None,)), None)
        self._keep("center", preparation.scaling.center)
        self._keep("scale", preparation.scaling.scale)
        self._keep("gap", schema.spread(names, "max_gap"))
        self._keep("tick", tick_length(schema.spread(names, "period")))
        codes = np.arange(len(names), dtype=np.int32)
        codes[-1] = -1
        self._keep("threshold", calibration.thresholds(codes))
        self._keep("size", residuals.size)
        self._keep("whitening", residuals.whitening)
        self._keep("typical", residuals.typical.astype(np.float64))
        self._keep("owned", np.eye(len(preparation.features), dtype=np.float32)[owner])
        switches = residuals.switches > 0
        self._keep("plain", np.asarray(~switches[owner] if len(switches) else owner >= 0))
        self.counts = [max(int((~switches).sum()), 1), max(int(switches.sum()), 1)]
        self.weight = 0.0 if scorer.shapes is None else scorer.shapes.weight
        self.banks: dict[int, tuple[int, int]] = {}  # rows and cells of each
        for number, bank in enumerate(() if scorer.shapes is None else scorer.shapes.banks):
            if bank is not None:
                self.banks[number] = bank.length, bank.cells
                for name in ("basis", "centres", "used"):
                    self._keep(f"{name}{number}", getattr(bank, name))
        corrections = scorer.corrections if scorer.combines else None
        self.corrected = corrections is not None and len(corrections.maps) > 0
        if corrections is not None and self.corrected:
            none = np.zeros_like(corrections.maps[:1])  # the last one, for place -1
            self._keep("maps", np.concatenate([corrections.maps, none]))
            self._keep("place", corrections.place)

    def _keep(self, name: str, values: np.typing.NDArray[np.generic]) -> None:
        self.register_buffer(f"kept_{name}", torch.from_numpy(np.array(values)))

    def _of(self, name: str, entity: Tensor) -> Tensor:
        """Return the row of a table that belongs to the entity; the last one for -1."""
        table: Tensor = getattr(self, f"kept_{name}")
        place = torch.where(entity < 0, table.shape[0] - 1, entity)
        return table.index_select(0, place.reshape(1)).squeeze(0)

    def forward(self, rows: Tensor, time: Tensor, entity: Tensor) -> tuple[Tensor, Tensor]:
        """(R, F), (R,), () -> (R,), ()."""
        valid = torch.isfinite(rows).all(dim=1)
        for place, low, high in self.missing:
            valid = valid & ((rows[:, place] < low) | (rows[:, place] > high))
        matrix, columns = self._prepared(torch.where(torch.isfinite(rows), rows, 0.0), time, entity)
        run = runs_of(time, valid, self._of("gap", entity))
        scored = whole_windows(run, valid, self.length)
        expected = self._expected(matrix, run, valid, entity)
        if self.scorer_score == "ensemble":
            tick = torch.floor_divide(time, self._of("tick", entity))
            shapes = self._shapes(matrix, run, valid, entity)
            score = self._ensemble(columns, expected, run, scored, tick, entity, shapes)
        else:
            score = self._smoothed(self._alone(columns - expected, entity), run, scored)
        missing = torch.full_like(score, torch.nan)
        return torch.where(scored, score, missing).float(), self._of("threshold", entity)

    def _prepared(self, rows: Tensor, time: Tensor, entity: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs of the network, and the features: (R, F) -> (R, D + K), (R, D)."""
        parts = []
        for number, width in enumerate(self.widths):
            column = rows[:, number : number + 1]
            parts.append((column == torch.arange(width)).double() if width else column)
        scaled = (torch.cat(parts, dim=1) - self._of("center", entity)) / self._of("scale", entity)
        columns = compressed(scaled, self.clip).float()
        context = [each.float().unsqueeze(1) for each in calendar(time, self.context)]
        return torch.cat([columns, *context], dim=1), columns

    def _expected(self, matrix: Tensor, run: Tensor, valid: Tensor, entity: Tensor) -> Tensor:
        """Return what the networks expect of each row: (R, D + K) -> (R, D)."""
        places, _ = last_places(self.length, matrix)
        expected = self.model.decode_last(self.model.encode(matrix[places]))
        if self.long is not None:
            length = self.long.sizes.length
            places, _ = last_places(length, matrix)
            other = self.long.decode_last(self.long.encode(matrix[places]))
            whole = whole_windows(run, valid, length).unsqueeze(1)
            expected = torch.where(whole, (expected + other) / 2, expected)
        if self.corrected:
            maps = self.get_buffer("kept_maps")
            place = self._of("place", entity)
            place = torch.where(place < 0, maps.shape[0] - 1, place)
            own = maps.index_select(0, place.reshape(1)).squeeze(0)
            expected = expected + own[0] + expected @ own[1:]
        return expected

    def _alone(self, residual: Tensor, entity: Tensor) -> Tensor:
        """Return the scores of rows from their residuals: (R, D) -> (R,)."""
        if self.scorer_score != "mse":
            residual = residual / self._of("size", entity)
        if self.scorer_score == "mahalanobis":
            residual = residual @ self.get_buffer("kept_whitening")
        parts = residual.square() @ self.get_buffer("kept_owned")
        if self.scorer_score == "top_k":
            most = min(self.top_k, len(self.widths))
            return torch.topk(parts, most, dim=1).values.sum(dim=1) / most
        return parts.sum(dim=1) / len(self.widths)

    def _smoothed(self, score: Tensor, run: Tensor, scored: Tensor) -> Tensor:
        """Average the scores of the last rows of the same series: (R,) -> (R,)."""
        if self.smooth == 1:
            return score
        places, present = last_places(self.smooth, score)
        near = present & scored[places] & (run[places] == run.unsqueeze(1))
        total = (score.double()[places] * near.double()).sum(dim=1)
        return total / torch.clamp(near.double().sum(dim=1), min=1)

    def _ensemble(
        self,
        columns: Tensor,
        expected: Tensor,
        run: Tensor,
        scored: Tensor,
        tick: Tensor,
        entity: Tensor,
        shapes: Tensor,
    ) -> Tensor:
        """Return the scores of rows by the rows before them too, as `ensemble`: (R,)."""
        places, present = last_places(BASELINE_ROWS, columns)
        near = present & (run[places] == run.unsqueeze(1))
        # A row that is not valid is in a series of its own.
        deviation = (columns - exact_means(columns, places, near).float()).square()
        residual = (columns - expected).square()
        plain = self.get_buffer("kept_plain")
        seen, switched = (residual * plain).sum(dim=1), (residual * ~plain).sum(dim=1)
        moved = (deviation * plain).sum(dim=1).double() / self.counts[0]
        seen = seen.double() / self.counts[0]
        switched = switched.double() / self.counts[1]
        typical = self._of("typical", entity)
        members = [_trailing(seen, scored, tick, n) for n in RESIDUAL_ROWS]
        members += [_trailing(moved, scored, tick, n) for n in DEVIATION_ROWS]
        relative = [each / typical[n] for n, each in enumerate(members)]
        r1, r10, r60, v1, v30 = (torch.log(1 + each) for each in relative)
        last = _trailing(switched, scored, tick, 1) / typical[SWITCHES]
        s1 = torch.log(torch.clamp(last, min=1)) / 2
        level = self._level(seen, moved, scored, tick, typical)
        both = (torch.sqrt(r10) + torch.sqrt(v30)).square()
        total = both + (r1 + v1 + r60 + shapes) / 2 + s1
        return total / torch.clamp(level, min=LEAST) ** LEVEL_POWER

    def _shapes(self, matrix: Tensor, run: Tensor, valid: Tensor, entity: Tensor) -> Tensor:
        """Return what the distances from typical shapes add, as `Shapes`: (R, D + K) -> (R,)."""
        typical, total = self._of("typical", entity), torch.zeros_like(matrix[:, 0]).double()
        for number, (length, cells) in self.banks.items():
            bank = [self.get_buffer(f"kept_{n}{number}") for n in ("basis", "centres", "used")]
            distance = shape_distances(matrix, *bank, length=length) / cells
            part = torch.log(1 + distance / typical[SWITCHES + 1 + number]) * self.weight
            total = total + torch.where(whole_windows(run, valid, length), part, 0.0)
        return total

    def _level(
        self, seen: Tensor, moved: Tensor, scored: Tensor, tick: Tensor, typical: Tensor
    ) -> Tensor:
        """Return how restless the entity is at each row, as `restlessness`: (R,)."""
        units = typical[MEMBERS.index("R1")], typical[MEMBERS.index("V1")]
        alone = torch.log(1 + seen / units[0]) + torch.log(1 + moved / units[1])
        alone = torch.clamp(alone, max=HIGHEST)
        grid = torch.remainder(torch.floor_divide(tick, TICKS), GRID) == 0
        places, present = last_places(LEVEL_ROWS, tick)
        near = present & (scored & grid)[places]
        near = near & (tick[places] > (tick - LEVEL_ROWS * TICKS).unsqueeze(1))
        total, number = exact_sums(alone, places, near)
        return (total + typical[LEVEL] * PRIOR) / (number + PRIOR)


def _trailing(values: Tensor, scored: Tensor, tick: Tensor, count: int) -> Tensor:
    """Return means over the last scored rows of so many periods: (R,), (R,), (R,) -> (R,)."""
    places, present = last_places(count, values)
    near = present & scored[places]
    near = near & (tick[places] > (tick - count * TICKS).unsqueeze(1))
    return exact_means(values, places, near)
