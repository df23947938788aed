"""Days of drift/ with one column of each entity, of which some move."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from aedetect.drift import DRIFT
from aedetect.drift.sums_table import SCHEMA
from aedetect.output.atomic import Origin
from aedetect.output.partitions import Partition
from aedetect.output.table_writer import TableWriter

DAY, FIRST = 86_400_000_000_000, date(2026, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
ORIGIN = Origin(
    model_name="pumps", model_version=1, calibration_version=1, config_hash="", lookback=0,
    max_gap=0, inputs={},
)  # fmt: skip
COUNTS = [9] * 16
COLUMN = {
    "scope": "entity", "column": "heat", "rows": 144, "whole_day": 100, "missing": 0, "unseen": 0,
    "psi_limit": 1.0, "missing_limit": 0.05, "counts": COUNTS, "usual": COUNTS, "edges": [0.0] * 15,
    "block_days": 1,
}  # fmt: skip
SCORES = {
    "scope": "entity", "rows": 144, "whole_day": 100, "bets": 48, "usual_log_score": 0.0,
    "score_limit": 0.3, "block_days": 1,
}  # fmt: skip


def write_days(
    output,
    psi,
    times=None,
    *,
    first=0,
    moving=("pump",),
    others=("east", "west", "south"),
    rows=144,
):
    """Write days: how far the column of the moving ones is, and how many times their scores are."""
    for at, (far, level) in enumerate(zip(psi, times or [1.0] * len(psi), strict=True)):
        written = []
        for name in (*others, *moving):
            moved = name in moving
            score = float(np.log(level)) if moved else 0.0
            written.append(COLUMN | {"entity": name, "psi": float(far) if moved else 0.0})
            log_p = -48.0 * 3 if score > 0.3 else -40.0
            own = {"entity": name, "log_p": log_p, "log_score": score, "rows": rows}
            written.append(SCORES | own)
        path = Partition((FIRST + first + at) * DAY, "day").path(output, DRIFT)
        path.parent.mkdir(parents=True, exist_ok=True)
        with TableWriter(path, SCHEMA, ORIGIN, synced=False) as writer:
            writer.write(pa.RecordBatch.from_pylist(written, SCHEMA))
