"""CalibratedScorer = Scorer + calibration: the object that is saved, registered and used to score.

A higher score is always more anomalous. A detector without a threshold cannot exist.
`aedetect.api.Detector` is the same, for data frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aedetect.detector.accepted import without_accepted
from aedetect.detector.outline import Outline
from aedetect.detector.scorer import Scorer
from aedetect.detector.serialization import read_detector, read_profile, write_detector

if TYPE_CHECKING:
    from aedetect.arrays import Int8, Int32
    from aedetect.calibration import Calibration
    from aedetect.data import Rows
    from aedetect.drift import Profile


@dataclass(frozen=True, kw_only=True)
class CalibratedScorer:
    """A Scorer with the threshold that its held-out scores support."""

    scorer: Scorer
    calibration: Calibration
    config_hash: str
    profile: Profile | None = None  # of the training days; a detector of before has none

    @property
    def outline(self) -> Outline:
        """What it is without its network."""
        own = self.scorer
        return Outline(
            schema=own.schema,
            preparation=own.preparation,
            length=own.length,
            longest=max(own.length, 0 if own.long is None else own.long.sizes.length),
            lookback=own.lookback,
            lookahead=own.lookahead,
            config_hash=self.config_hash,
            calibration=self.calibration,
            rules=own.rules,
            residual_size=own.residuals.size,
        )

    def broken_rules(self, rows: Rows, entity: Int32) -> Int8:
        """Return which column rule each cell breaks, without what is accepted: (R,) -> (R, F)."""
        schema = self.scorer.schema
        broken = self.scorer.rules.broken(rows, entity, schema)
        return without_accepted(broken, entity, self.calibration.accepted, schema.features)

    def save(self, folder: Path) -> None:
        """Write the detector into a folder; see `aedetect.detector.serialization`."""
        write_detector(
            folder,
            scorer=self.scorer,
            calibration=self.calibration,
            config_hash=self.config_hash,
        )
        if self.profile is not None:
            self.profile.write(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a detector from a folder. Raises BrokenDetector if it contains none."""
        scorer, calibration, config_hash = read_detector(folder)
        return cls(
            scorer=scorer,
            calibration=calibration,
            config_hash=config_hash,
            profile=read_profile(folder, scorer),
        )
