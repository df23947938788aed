"""Calibrations on disk: held-out rows as Parquet, the rest as JSON. Needs no PyTorch.

The first calibration is part of the saved detector. Later ones are saved below it, in
calibrations/2, calibrations/3, ...; `aedetect.calibration.history` tells which one is in force.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from annotated_types import Ge, Gt, Lt
from pydantic import TypeAdapter, ValidationError

from aedetect.arrays import Float32, grouped_rows
from aedetect.calibration.calibration import Calibration
from aedetect.calibration.conformal import Reference
from aedetect.calibration.file_checks import (
    HELD_OUT_SCHEMA,
    as_finite,
    check_finite,
    read_held_out_rows,
)
from aedetect.calibration.forecast import Forecast
from aedetect.calibration.groups import Group
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.outliers import LeftOut
from aedetect.calibration.promise import Promise
from aedetect.calibration.settings import UnseenName
from aedetect.calibration.tail import Tail
from aedetect.calibration.thresholds import Threshold

CALIBRATIONS = "calibrations"  # folder of the later ones
Version = Annotated[int, Ge(1), Lt(2**31)]  # a column of 32 bits holds it
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
DESCRIPTION, HELD_OUT = "calibration.json", "calibration.parquet"


def write_calibration(calibration: Calibration, folder: Path) -> None:
    """Write both files into a folder, creating it if needed; the description is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_held_out(calibration.held_out, folder / HELD_OUT)
    text = json.dumps(describe(calibration), indent=1, allow_nan=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def newest_version(folder: Path) -> int | None:
    """Return the number of the newest complete later calibration of a saved detector, if any."""
    return max(stored_versions(folder), default=None)


def stored_versions(folder: Path) -> list[int]:
    """Return the numbers of the complete later calibrations of a saved detector, ascending."""
    found = (folder / CALIBRATIONS).glob(f"*/{DESCRIPTION}")
    names = (path.parent.name for path in found)
    return sorted(int(name) for name in names if _NUMBER.fullmatch(name))


def write_held_out(held_out: HeldOut, path: Path) -> None:
    """Write held-out rows as Parquet."""
    columns = [pa.array(getattr(held_out, each.name), each.type) for each in HELD_OUT_SCHEMA]
    table = pa.table(columns, schema=HELD_OUT_SCHEMA)
    pq.write_table(table, path, compression="zstd")


def describe(calibration: Calibration) -> dict[str, Any]:
    """Return everything but the held-out rows as JSON-compatible data."""
    return {
        "version": calibration.version,
        "unseen": calibration.unseen,
        "pooled": _group(Group(calibration.reference, calibration.threshold, calibration.forecast)),
        "own": {str(code): _group(own) for code, own in calibration.own.items()},
        "elsewhere": dict(calibration.elsewhere),
        "left_out": asdict(calibration.left_out),
        "fallback": calibration.fallback,
        "promise": asdict(calibration.promise),
        "usual": calibration.usual,
        "longest": calibration.longest,
        # JSON has no infinity, the limit of a column that was never observed.
        "limits": [
            [float(each) if np.isfinite(each) else None for each in row]
            for row in calibration.limits
        ],
    }


def restored(described: dict[str, Any], held_out: Path) -> Calibration:
    """Build a calibration from plain data and the file of held-out rows."""
    table = read_held_out_rows(held_out)
    rows = HeldOut(*(table[name].to_numpy() for name in HELD_OUT_SCHEMA.names))
    normal = rows.normal
    if not len(normal):
        raise ValueError(f"{HELD_OUT} holds no normal rows")
    places = dict(grouped_rows(normal.entity)) if described["own"] else {}
    own = {
        int(code): _restored_group(group, normal.score[places.get(int(code), [])])
        for code, group in described["own"].items()
    }
    known = as_finite(
        [[0.0 if each is None else each for each in row] for row in described["limits"]],
        np.float32,
        "limits",
    )
    unknown = [[each is None for each in row] for row in described["limits"]]
    pooled = _restored_group(described["pooled"], normal.score)
    return Calibration(
        reference=pooled.reference,
        threshold=pooled.threshold,
        forecast=pooled.forecast,
        promise=checked(Promise, described["promise"]),
        own=own,
        version=checked(Version, described["version"]),
        unseen=checked(UnseenName, described["unseen"]),
        held_out=rows,
        limits=np.where(np.array(unknown, dtype=np.bool_), np.float32(np.inf), known),
        elsewhere=checked(dict[str, float], described["elsewhere"]),
        left_out=checked(LeftOut, described["left_out"]),
        fallback=checked(str, described["fallback"]),
        usual=checked(Annotated[float, Gt(0)], described["usual"]),
        longest=checked(Annotated[int, Ge(0)], described.get("longest", 0)),
    )


def _group(group: Group) -> dict[str, Any]:
    return {
        "threshold": asdict(group.threshold),
        "tail": asdict(group.reference.tail),
        "forecast": asdict(group.forecast),
    }


def _restored_group(described: dict[str, Any], scores: Float32) -> Group:
    tail = checked(Tail, described["tail"])
    if tail.scale <= 0:
        raise ValueError(f"the scale of a tail must be above 0, got {tail.scale}")
    return Group(
        Reference(np.sort(scores), tail),
        checked(Threshold, described["threshold"]),
        checked(Forecast, described["forecast"]),
    )


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what checks a kind: made once, since many entities have parts of the same kinds."""
    return TypeAdapter(kind)


def checked(kind: Any, value: object) -> Any:
    """Build a dataclass from plain data, checking every field. Raises ValueError."""
    try:
        built = _adapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(str(error.errors()[0]["msg"])) from error
    check_finite(built, getattr(kind, "__name__", "a number").lower())
    return built
