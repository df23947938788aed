"""A detector for data frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aedetect.detector import CalibratedScorer

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class Detector(CalibratedScorer):
    """A trained model with the threshold that its held-out rows support.

    Created by `aedetect.fit` from a data frame, by `aedetect.train` from files, or loaded by
    `aedetect.load_detector`. `save` writes it to a folder that `load` and `load_detector` read.
    """

    @property
    def timestamp(self) -> str:
        """Name of the column with the timestamps."""
        return self.scorer.schema.timestamp

    @property
    def entity(self) -> str | None:
        """Name of the column that identifies the series; None when all rows are one series."""
        return self.scorer.schema.entity

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that are scored."""
        return self.scorer.schema.names

    @property
    def variant(self) -> str:
        """The kind of autoencoder, as in `[model] variant`."""
        return self.scorer.model.settings.network

    @property
    def window(self) -> int:
        """Rows in a window. The first rows of a series have no full window and are not scored."""
        return self.scorer.length

    def score(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score each row; return a table with the rows and the index of the input, in its order.

        The rows may be in any order; other columns are ignored. The context of a row is the earlier
        rows of its entity in the frame: include the rows before the first one of interest.
        Scores equal those of `aedetect.score` on files with the same rows. Settings that only a
        configuration has, such as maintenance, do not suppress rows here.

        The columns of the result:

        - `timestamp`, `entity`: as in the input; entities as text, None without an entity column.
        - `score`: the higher, the more anomalous; NaN when the row is not scored.
        - `p_value`: the share of normal rows that score as high.
        - `verdict`: "normal", "anomaly" or "not_scored".
        - `reason`: why a row is not scored; None for the others.
        - `causes`: for an anomaly a list of
          `{"feature", "share", "observed", "expected", "unusual"}`, the largest share first;
          None for the others.

        Raises:
            SchemaMismatch: A column is missing, or of another type than in training.
        """
        from aedetect.scoring import score_frame

        scored = score_frame(self, frame, causes=True)
        return scored.set_axis(frame.index)

    def __repr__(self) -> str:
        entities = len(self.scorer.preparation.entities)
        of = f"entity={self.entity!r} ({entities} known), " if self.entity else ""
        return (
            f"<Detector timestamp={self.timestamp!r}, {of}{len(self.features)} features, "
            f"variant={self.variant!r}, window={self.window}>"
        )


def as_detector(fitted: CalibratedScorer) -> Detector:
    """Return the result of a training run as a detector for data frames."""
    return Detector(
        scorer=fitted.scorer, calibration=fitted.calibration, config_hash=fitted.config_hash
    )
