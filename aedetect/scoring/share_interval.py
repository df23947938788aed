"""The interval of a share of rows, from days.

Rows of one event are not independent, so that a binomial interval of the share is too narrow. The
interval takes days as clusters: the ratio estimate and its variance are those of Cochran, Sampling
Techniques (1977), section 9A.1, with quantiles of Student's t.
"""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Float64
from aedetect.calibration.poisson import COVERAGE

MIN_DAYS = 5  # with scores, for an interval


def share_interval(flagged: Float64, rows: Float64) -> tuple[float, float] | None:
    """Return an interval of sum(flagged) / sum(rows) from days: (D,), (D,); None for too few days.

    None as well when no row is flagged: days then show no spread.
    """
    from scipy.special import stdtrit

    days = len(rows)
    if days < MIN_DAYS or not flagged.sum():
        return None
    share = flagged.sum() / rows.sum()
    spread = np.sqrt(days / (days - 1) * ((flagged - share * rows) ** 2).sum()) / rows.sum()
    width = float(stdtrit(days - 1, (1 + COVERAGE) / 2) * spread)
    return max(float(share) - width, 0.0), min(float(share) + width, 1.0)
