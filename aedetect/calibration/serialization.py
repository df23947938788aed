"""Calibrations on disk: held-out rows as Parquet, the rest as JSON. Needs no PyTorch.

The first calibration is part of the saved detector. Later ones are saved below it, in
calibrations/2, calibrations/3, ...; the newest one applies.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from aedetect.arrays import Float32
from aedetect.calibration.calibration import Calibration, Group
from aedetect.calibration.conformal import Reference
from aedetect.calibration.forecast import Forecast
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.settings import UnseenName
from aedetect.calibration.tail import Tail
from aedetect.calibration.thresholds import Threshold

CALIBRATIONS = "calibrations"  # folder of the later ones
DESCRIPTION, HELD_OUT = "calibration.json", "calibration.parquet"


def write_calibration(calibration: Calibration, folder: Path) -> None:
    """Write both files into a folder, creating it if needed; the description is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_held_out(calibration.held_out, folder / HELD_OUT)
    text = json.dumps(describe(calibration), indent=1, allow_nan=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_later(folder: Path) -> Calibration | None:
    """Read the newest later calibration of a saved detector; None when it only has its first.

    Raises OSError, KeyError, TypeError or ValueError when it is damaged.
    """
    newest = newest_version(folder)
    if newest is None:
        return None
    place = folder / CALIBRATIONS / str(newest)
    text = (place / DESCRIPTION).read_text(encoding="utf-8")
    return restored(json.loads(text), place / HELD_OUT)


def newest_version(folder: Path) -> int | None:
    """Return the number of the newest complete later calibration of a saved detector, if any."""
    found = (folder / CALIBRATIONS).glob(f"*/{DESCRIPTION}")
    return max(
        (int(path.parent.name) for path in found if path.parent.name.isdigit()), default=None
    )


def write_held_out(held_out: HeldOut, path: Path) -> None:
    """Write held-out rows as Parquet."""
    table = pa.table(
        {
            "entity": pa.array(held_out.entity, pa.int32()),
            "time": pa.array(held_out.time, pa.int64()),
            "score": pa.array(held_out.score, pa.float32()),
            "anomaly": pa.array(held_out.anomaly, pa.bool_()),
        }
    )
    pq.write_table(table, path, compression="zstd")


def describe(calibration: Calibration) -> dict[str, Any]:
    """Return everything but the held-out rows as JSON-compatible data."""
    return {
        "version": calibration.version,
        "unseen": calibration.unseen,
        "pooled": _group(Group(calibration.reference, calibration.threshold, calibration.forecast)),
        "own": {str(code): _group(own) for code, own in calibration.own.items()},
        "elsewhere": dict(calibration.elsewhere),
        # JSON has no infinity, the limit of a column that was never observed.
        "limits": [
            [float(each) if np.isfinite(each) else None for each in row]
            for row in calibration.limits
        ],
    }


def restored(described: dict[str, Any], held_out: Path) -> Calibration:
    """Build a calibration from plain data and the file of held-out rows."""
    table = pq.read_table(held_out)
    rows = HeldOut(*(table[name].to_numpy() for name in ("entity", "time", "score", "anomaly")))
    normal = rows.normal
    if not len(normal):
        raise ValueError(f"{HELD_OUT} holds no normal rows")
    own = {
        int(code): _restored_group(group, normal.score[normal.entity == int(code)])
        for code, group in described["own"].items()
    }
    limits = [[np.inf if each is None else each for each in row] for row in described["limits"]]
    pooled = _restored_group(described["pooled"], normal.score)
    return Calibration(
        reference=pooled.reference,
        threshold=pooled.threshold,
        forecast=pooled.forecast,
        own=own,
        version=int(described["version"]),
        unseen=checked(UnseenName, described["unseen"]),
        held_out=rows,
        limits=np.array(limits, dtype=np.float32),
        elsewhere=checked(dict[str, float], described["elsewhere"]),
    )


def _group(group: Group) -> dict[str, Any]:
    return {
        "threshold": asdict(group.threshold),
        "tail": asdict(group.reference.tail),
        "forecast": asdict(group.forecast),
    }


def _restored_group(described: dict[str, Any], scores: Float32) -> Group:
    tail = checked(Tail, described["tail"])
    return Group(
        Reference(np.sort(scores), tail),
        checked(Threshold, described["threshold"]),
        checked(Forecast, described["forecast"]),
    )


def checked(kind: Any, value: object) -> Any:
    """Build a dataclass from plain data, checking every field. Raises ValueError."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(str(error.errors()[0]["msg"])) from error
