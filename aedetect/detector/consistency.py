"""Check that the parts of a loaded detector are consistent: shapes, entities, choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from aedetect.calibration.settings import AlignmentName, ScoreName
from aedetect.detector.ensemble import LEVEL
from aedetect.detector.reach import LONGEST
from aedetect.detector.residuals import NATS
from aedetect.preprocessing.settings import MissingAfterName, MissingName

if TYPE_CHECKING:
    from aedetect.calibration import Calibration
    from aedetect.detector.far_values import FarValues
    from aedetect.detector.resting_values import RestingValues
    from aedetect.detector.rules import ColumnRules
    from aedetect.detector.scorer import Scorer


def check_limits(scorer: Scorer, calibration: Calibration) -> None:
    """Raise ValueError if the limits are for other entities or columns."""
    preparation = scorer.preparation
    if calibration.limits.shape != (max(len(preparation.entities), 1), len(preparation.owner)):
        raise ValueError(f"limits do not fit: {calibration.limits.shape}")


def check_parts(scorer: Scorer) -> None:
    """Raise ValueError if the parts are inconsistent."""
    preparation, sizes = scorer.preparation, scorer.model.sizes
    entities, columns = len(preparation.entities), len(preparation.owner)
    pairs = {
        "model inputs": (sizes.inputs, preparation.width),
        "model outputs": (sizes.outputs, columns),
        "center": (preparation.scaling.center.shape, (entities + 1, columns)),
        "scale": (preparation.scaling.scale.shape, (entities + 1, columns)),
        "score": (scorer.score in get_args(ScoreName), True),
        "score of the variant": (
            scorer.score != "elbo" or scorer.model.settings.variant == "variational",
            True,
        ),
        "missing": (preparation.missing in get_args(MissingName), True),
        "missing_after": (preparation.missing_after in get_args(MissingAfterName), True),
    }
    for what, (found, needed) in (pairs | _scoring_pairs(scorer)).items():
        if found != needed:
            raise ValueError(f"{what} does not fit: {found} instead of {needed}")


def _scoring_pairs(scorer: Scorer) -> dict[str, tuple[object, object]]:
    """Return the actual and the required properties of the scorer's own parts."""
    residuals, preparation = scorer.residuals, scorer.preparation
    entities, columns = len(preparation.entities) + 1, len(preparation.owner)
    features = len(preparation.features)
    tail = (entities, features, len(NATS) + 1)
    whitened, tailed = scorer.score == "mahalanobis", scorer.score == "tail"
    ensemble = scorer.score == "ensemble"
    return {
        "long windows": (_long_fits(scorer), True),
        "corrections": (_corrections_fit(scorer, entities), True),
        "shapes": (_shapes_fit(scorer), True),
        "residual sizes": (residuals.size.shape, (entities, columns)),
        "whitening": (residuals.whitening.shape, (columns, columns) if whitened else (0, 0)),
        "tail": (residuals.tail.shape, tail if tailed else (0, 0, 0)),
        "typical": (residuals.typical.shape, (entities, LEVEL + 1) if ensemble else (0, 0)),
        "typical values": (bool((residuals.typical > 0).all()), True),
        "switches": (residuals.switches.shape, (features,) if ensemble else (0,)),
        "alignment": (scorer.alignment in get_args(AlignmentName), True),
        "constant": (scorer.rules.constant.shape, (entities, features)),
        "still": (scorer.rules.still.shape, (entities, features)),
        "own values": (
            all(
                each.shape == (entities, columns) and bool(np.isfinite(each).all())
                for each in vars(scorer.own).values()
            ),
            True,
        ),
        "far values": (_shaped(scorer.rules.far, entities, features), True),
        "limits of rules": (_bounded(scorer.rules), True),
        "resting values": (_addressed(scorer.rules.resting, entities, features), True),
        "top_k": (scorer.top_k > 0, True),
        "smooth": (scorer.smooth > 0, True),
        "rates": (
            all(
                each.period > 0 and min(each.max_gap, each.missing_limit) >= 0
                for each in scorer.schema.rates
            ),
            True,
        ),
        "lookback": (0 <= scorer.lookback + scorer.lookahead < LONGEST, True),
    }


def _long_fits(scorer: Scorer) -> bool:
    """Whether the network of long windows is of this scorer, if there is one."""
    if scorer.long is None:
        return True
    own, long = scorer.model.sizes, scorer.long.sizes
    same = (long.inputs, long.outputs) == (own.inputs, own.outputs)
    return same and long.length > own.length


def _corrections_fit(scorer: Scorer, entities: int) -> bool:
    """Whether the maps are of these entities, one each at most, if there are any."""
    if scorer.corrections is None:
        return True
    place, maps = scorer.corrections.place, scorer.corrections.maps
    used = np.sort(place[place >= 0])
    return (
        place.shape == (entities,)
        and bool((place >= -1).all())
        and np.array_equal(used, np.arange(len(maps)))
    )


def _shapes_fit(scorer: Scorer) -> bool:
    """Whether typical shapes are of windows that the scorer has, one for each length at most."""
    if scorer.shapes is None:
        return True
    long = 0 if scorer.long is None else scorer.long.sizes.length
    lengths, width = (scorer.length, long), scorer.preparation.width
    return all(
        bank is None
        or (
            bank.basis.shape == (len(bank.basis), length, width)
            and bank.centres.shape == (len(bank.centres), len(bank.basis))
            and len(bank.centres) > 0
            and bank.cells > 0
        )
        for bank, length in zip(scorer.shapes.banks, lengths, strict=True)
    )


def _addressed(resting: RestingValues, entities: int, features: int) -> bool:
    """Whether resting values are finite, and of entities and columns that exist."""
    if resting.own.shape != (entities,) or not resting.own[-1]:
        return False
    sizes = {len(resting.entity), len(resting.column), len(resting.value)}
    return (
        len(sizes) == 1
        and bool(((resting.entity >= 0) & (resting.entity < entities)).all())
        and bool(((resting.column >= 0) & (resting.column < features)).all())
        and bool(np.isfinite(resting.value).all())
    )


def _bounded(rules: ColumnRules) -> bool:
    """Whether constants are finite, and scoring looks back at a bounded time."""
    still = np.nan_to_num(rules.still, posinf=np.inf, neginf=-np.inf)
    return not np.isinf(rules.constant).any() and bool(((still >= 0) & (still < LONGEST)).all())


def _shaped(far: FarValues, entities: int, features: int) -> bool:
    """Whether ranges are of these entities and columns, finite, and the history is bounded."""
    cells, counts = (far.low, far.high, far.margin), (far.rows, far.history)
    if any(each.shape != (entities, features) for each in cells):
        return False
    return (
        all(each.shape == (entities,) and bool((each >= 0).all()) for each in counts)
        and not any(bool(np.isinf(each).any()) for each in cells)
        and bool((np.nan_to_num(far.margin) >= 0).all())
        and bool((far.history < LONGEST).all())
    )
