"""Which calibration is in force when: the calibrations of a saved detector, by version.

A full calibration is in force for all rows, until a later one. A renewal is in force for the rows
from its moment on. So of several, the one in force at a time is the last version that has no moment
or one that is not later: a function of the row's time and of what is stored, whenever it is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aedetect.calibration.calibration import Calibration
from aedetect.calibration.file_checks import parse_json
from aedetect.calibration.renewal import Renewal, renewed
from aedetect.calibration.serialization import (
    CALIBRATIONS,
    DESCRIPTION,
    HELD_OUT,
    checked,
    newest_version,
    restored,
    stored_versions,
)

_RENEWAL = "renewal"  # the one key of the description of a renewal


@dataclass(frozen=True)
class History:
    """The versions of a detector's calibrations, ascending, each with its moment (ns)."""

    moments: tuple[tuple[int, int | None], ...] = ((1, None),)

    def at(self, moment: int) -> int:
        """Return the version in force at a time (ns).

        >>> History(((1, None), (2, 50), (3, 70))).at(60)
        2
        """
        return max(v for v, since in self.moments if since is None or since <= moment)

    @property
    def newest(self) -> int:
        """The last version, in force from its moment on."""
        return self.moments[-1][0]

    @property
    def base(self) -> int:
        """The last full calibration, which later ones renew: their promise is its own."""
        return max(v for v, since in self.moments if since is None)

    @property
    def renewed(self) -> int | None:
        """The moment (ns) of the newest version; None when it is no renewal."""
        return self.moments[-1][1]


def read_history(folder: Path) -> History:
    """Read the versions of a saved detector. Raises OSError, KeyError, TypeError or ValueError."""
    found: list[tuple[int, int | None]] = [(1, None)]
    for version in stored_versions(folder):
        renewal = _renewal(_described(folder, version))
        found.append((version, None if renewal is None else renewal.since))
    return History(tuple(found))


def read_renewal(folder: Path, version: int) -> Renewal | None:
    """Read a renewal; None when the version is a full calibration."""
    return None if version == 1 else _renewal(_described(folder, version))


def read_calibration(
    folder: Path, first: Callable[[], Calibration], *, version: int | None = None
) -> Calibration:
    """Read a calibration of a saved detector, by default the newest; `first` reads version 1.

    Raises OSError, KeyError, TypeError or ValueError when it is damaged.
    """
    wanted = version or newest_version(folder) or 1
    if wanted == 1:
        return first()
    described = _described(folder, wanted)
    renewal = _renewal(described)
    if renewal is None:
        return restored(described, folder / CALIBRATIONS / str(wanted) / HELD_OUT)
    if renewal.base >= wanted or read_renewal(folder, renewal.base) is not None:
        raise ValueError(f"renewal {wanted} must rest on a full calibration before it")
    return renewed(read_calibration(folder, first, version=renewal.base), renewal)


def write_renewal(renewal: Renewal, folder: Path) -> None:
    """Write the file of a renewal into a folder, creating it if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({_RENEWAL: asdict(renewal)}, indent=1, allow_nan=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def _described(folder: Path, version: int) -> dict[str, Any]:
    place = folder / CALIBRATIONS / str(version) / DESCRIPTION
    return dict(parse_json(place.read_text(encoding="utf-8")))


def _renewal(described: dict[str, Any]) -> Renewal | None:
    """Return the renewal that is described; None for a full calibration. Raises ValueError."""
    if _RENEWAL not in described:
        return None
    found: Renewal = checked(Renewal, described[_RENEWAL])
    if min([found.pooled, *found.factors.values()]) <= 0:
        raise ValueError("the factors of a renewal must be above 0")
    return found
