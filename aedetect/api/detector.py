"""A detector for data frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aedetect.detector import CalibratedScorer
from aedetect.output.scratch import temporary_folder
from aedetect.wording import plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from aedetect.display import Events, Report

Time = str | datetime
Section = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, repr=False)
class Detector(CalibratedScorer):
    """A trained model with the threshold that its held-out rows support.

    Created by `aedetect.fit` from a data frame, by `aedetect.train` from files, or loaded by
    `aedetect.load_detector`. `save` writes it to a folder that `load` and `load_detector` read.

    Attributes:
        notes: What `fit` had to say of the data, a sentence each, such as columns that it left out.
            Not saved.
    """

    notes: tuple[str, ...] = ()

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

    def events(
        self,
        frame: pd.DataFrame,
        *,
        suppressed: bool = False,
        settings: Section | None = None,
        units: Mapping[str, str] | None = None,
    ) -> Events:
        """Find the events of a frame: what `aedetect.score` would write to `events/` for its rows.

        Args:
            frame: As for `score`.
            suppressed: Include events that are suppressed, such as those shorter than
                `min_duration`.
            settings: Keys of `[events]`, such as `{"merge_gap": "1h"}`.
            units: Units of columns for the sentences, such as `{"pressure": "bar"}`.

        Returns:
            One row per event, the most anomalous first. A notebook shows a card for each.

        Raises:
            SchemaMismatch: A column is missing, or of another type than in training.
            NoData: No row has a timestamp.
            ConfigError: A setting is unknown or impossible.
        """
        from aedetect.display.event_table import make_events
        from aedetect.events import read_event_table
        from aedetect.jobs.frame_report import scored_frame

        with scored_frame(self, frame, events=settings, units=units) as (config, _):
            return make_events(read_event_table(config.output, suppressed=suppressed))

    def report(
        self,
        frame: pd.DataFrame,
        *,
        settings: Section | None = None,
        units: Mapping[str, str] | None = None,
    ) -> Report:
        """Make a report of a frame: swim lanes, and events with their lines.

        A notebook shows it; its `save` writes the page as one HTML file. The arguments are those of
        `events`.

        Raises:
            SchemaMismatch: A column is missing, or of another type than in training.
            NoData: No row has a timestamp.
        """
        from aedetect.display import Report
        from aedetect.jobs.frame_report import frame_page

        return Report(frame_page(self, frame, events=settings, units=units))

    def plot(
        self,
        frame: pd.DataFrame,
        *,
        entity: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        columns: int | Sequence[str] = 3,
    ) -> Figure:
        """Draw the scores of one series, what is flagged, and the columns most to blame.

        The number of points does not depend on that of the rows: of each pixel column the smallest
        and the largest value are drawn.

        Args:
            frame: As for `score`.
            entity: The series that is drawn. None: the one with the most anomalous row.
            since: Draw from then on; ISO text or a datetime. Earlier rows are context.
            until: Draw up to then, exclusive.
            columns: How many columns are drawn, at most 12, or their names.

        Returns:
            A Matplotlib figure that belongs to no window: a notebook shows it, `savefig` writes it.

        Raises:
            SchemaMismatch: A column is missing, or of another type than in training.
            NoData: No row lies in the time that is drawn.
            DataError: There is no such entity or column.
        """
        from aedetect.figures.frame_plot import draw_series
        from aedetect.jobs.frame_lines import plot_lines
        from aedetect.output.partitions import Span

        clock = self.scorer.schema.clock
        bounds = (clock.parse(time_text(each)) if each else None for each in (since, until))
        lines = plot_lines(self, frame, entity=entity, span=Span(*bounds), columns=columns)
        return draw_series(lines, clock)

    def save(self, folder: str | Path) -> None:
        """Write the detector into a folder, for `load_detector`: no file is a pickle."""
        super().save(Path(folder))

    def __reduce__(self) -> tuple[Callable[[dict[str, bytes]], Self], tuple[dict[str, bytes]]]:
        """Pickle the files that `save` writes, rather than modules of torch."""
        with temporary_folder() as folder:
            self.save(folder)
            paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
            saved = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        return type(self)._of_files, (saved,)  # noqa: SLF001 - its own

    @classmethod
    def _of_files(cls, saved: Mapping[str, bytes]) -> Self:
        """Load a detector from the files that `save` wrote, by path and content."""
        with temporary_folder() as name:
            for path, content in saved.items():
                (to := name / path).parent.mkdir(parents=True, exist_ok=True)
                to.write_bytes(content)
            return cls.load(name)

    def _repr_html_(self) -> str:
        from aedetect.display import detector_html

        return detector_html(self, notes=self.notes)

    def __repr__(self) -> str:
        entities, notes = len(self.scorer.preparation.entities), len(self.notes)
        of = f"entity={self.entity!r} ({entities} known), " if self.entity else ""
        return (
            f"<Detector timestamp={self.timestamp!r}, {of}{len(self.features)} features, "
            f"variant={self.variant!r}, window={self.window}"
            f"{', ' + plural(notes, 'note') if notes else ''}>"
        )


def time_text(given: Time) -> str:
    """Return a time as ISO text."""
    return given.isoformat() if isinstance(given, datetime) else given


def as_detector(fitted: CalibratedScorer, *, notes: Sequence[str] = ()) -> Detector:
    """Return the result of a training run as a detector for data frames."""
    return Detector(
        scorer=fitted.scorer,
        calibration=fitted.calibration,
        config_hash=fitted.config_hash,
        profile=fitted.profile,
        notes=tuple(notes),
    )
