"""VUS-PR: how well scores rank labelled segments, over all tolerances around their ends.

Paparrizos et al.: Volume under the surface (VLDB 2022), section 4. Written here because the
authors' package, vus 0.0.6, asks for TensorFlow and 16 more; tests compare with its values.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Float64, Int64


def vus_pr(
    label: npt.ArrayLike, score: npt.ArrayLike, *, window: int, thresholds: int = 250
) -> float:
    """Return the mean area under the precision-recall curve of each tolerance up to the window.

    Shapes: label (R,) of 0 and 1, score (R,). NaN without labelled rows.
    """
    truth, scores = np.asarray(label, dtype=np.float64), np.asarray(score, dtype=np.float64)
    edges = np.flatnonzero(np.diff(truth, prepend=0, append=0)).astype(np.int64)
    segments = edges.reshape(-1, 2) - np.array(
        [0, 1]
    )  # first and last row of each labelled segment
    if not len(segments):
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    cuts = ranked[np.linspace(0, len(scores) - 1, thresholds).astype(int)]
    flagged = np.searchsorted(-ranked, -cuts, side="right")
    areas = []
    for tolerance in range(window + 1):
        soft = _softened(truth, segments, tolerance)
        hits = np.cumsum(soft[order])[flagged - 1]
        sure = np.cumsum(truth[order])[flagged - 1]
        peaks = [scores[a : b + 1].max() for a, b in _joined(segments, tolerance, len(truth))]
        found = (np.array(peaks)[:, None] >= cuts).mean(axis=0)
        # Half of the softened labels that are found count as labelled rows: paper, eq. 6.
        recall = np.minimum(hits / (truth.sum() + (hits - sure) / 2), 1) * found
        areas.append(np.dot(np.diff(recall, prepend=0), hits / flagged))
    return float(np.mean(areas))


def _softened(truth: Float64, segments: Int64, tolerance: int) -> Float64:
    """Let labels decay around their segments, over half the tolerance on either side."""
    soft = truth.copy()
    for first, last in segments:
        after = np.arange(last + 1, min(last + tolerance // 2 + 1, len(truth)))
        before = np.arange(max(first - tolerance // 2, 0), first)
        soft[after] += np.sqrt(1 - (after - last) / tolerance) if tolerance else 0
        soft[before] += np.sqrt(1 - (first - before) / tolerance) if tolerance else 0
    return np.minimum(soft, 1)


def _joined(segments: Int64, tolerance: int, rows: int) -> list[tuple[int, int]]:
    """Widen the segments and join those that then overlap."""
    half = tolerance // 2
    joined: list[tuple[int, int]] = []
    first = max(int(segments[0][0]) - half, 0)
    for (_, last), (following, _) in pairwise(segments):
        if last + half < following - half:
            joined.append((first, int(last) + half))
            first = int(following) - half
    return [*joined, (first, min(int(segments[-1][1]) + half, rows - 1))]
