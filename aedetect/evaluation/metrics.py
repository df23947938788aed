"""Agreement of verdicts with labels: point by point, without adjustment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.arrays import Bool, Float32, Objects
from aedetect.data import open_engine
from aedetect.data.reader import reading
from aedetect.data.scan import ENTITY, TIME, Cell, address, parquet, scan
from aedetect.errors import ConfigError, NoData
from aedetect.output import list_files
from aedetect.output.partitions import SCORES
from aedetect.output.schemas import ANOMALY, NOT_SCORED
from aedetect.output.scratch import temporary_folder
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.data import Source
    from aedetect.data.settings import DataSettings

_ENGINE_MB = 500


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Agreement of verdicts with labels over the scored rows."""

    rows: int  # scored, with a label
    not_scored: int
    days: float  # spanned by the rows
    anomalous: float  # share of rows labelled anomalous: the average precision of a random score
    average_precision: float
    precision: float  # share of flagged rows that are labelled; NaN when nothing is flagged
    recall: float  # share of labelled rows that are flagged
    false_alarms_a_day: float  # flagged rows that are not labelled
    false_alarm_rate: float  # share of unlabelled rows that are flagged


def evaluate(source: Source, output: Path, settings: DataSettings) -> Evaluation:
    """Compare the scores in an output folder with the labels in the input.

    Raises ConfigError without a label column, NoData without labelled rows that were scored.
    """
    label, score, verdict, days = _joined(source, output, settings)
    scored = verdict != NOT_SCORED
    truth, flagged = label[scored], verdict[scored] == ANOMALY
    if not truth.any():
        raise NoData(
            f'no scored row is labelled anomalous by "{settings.label}": nothing to measure'
        )
    from sklearn.metrics import average_precision_score

    false = int((flagged & ~truth).sum())
    return Evaluation(
        rows=int(scored.sum()),
        not_scored=int((~scored).sum()),
        days=days,
        anomalous=float(truth.mean()),
        average_precision=float(average_precision_score(truth, score[scored])),
        precision=float(truth[flagged].mean()) if flagged.any() else float("nan"),
        recall=float(flagged[truth].mean()),
        false_alarms_a_day=false / days,
        false_alarm_rate=false / max(int((~truth).sum()), 1),
    )


def _joined(
    source: Source, output: Path, settings: DataSettings
) -> tuple[Bool, Float32, Objects, float]:
    """Return label, score and verdict of the rows in both tables, and the days they span."""
    files = [file for file in source.files if settings.label in file.columns]
    if settings.label is None or not files:
        raise ConfigError(
            f"[data] label must name a column of the scored data, got {settings.label}"
        )
    scores = list_files(output, SCORES)
    if not scores:
        raise NoData(f"there are no scores in {output}: run `aedetect score CONFIG` first")
    written = parquet([address(str(file.path)) for file in scores])
    label = {"label": Cell(settings.label, "BOOLEAN")}
    sql = (
        f"WITH truth AS (SELECT {TIME} AS stamp, {ENTITY} AS name, "
        f"max(coalesce(label, FALSE)) AS label "
        f"FROM {scan(files, label, entity=settings.entity)} GROUP BY ALL) "
        "SELECT label, score, verdict, epoch_ns(timestamp) AS time FROM "
        f"{written} s JOIN truth ON timestamp = stamp "
        "AND entity IS NOT DISTINCT FROM name ORDER BY entity, timestamp"
    )
    with (
        temporary_folder() as scratch,
        reading(files),
        open_engine(memory_mb=_ENGINE_MB, threads=2, scratch=scratch) as connection,
    ):
        table = connection.sql(sql).to_arrow_table()
    time = table["time"].to_numpy()
    days = (float(time.max() - time.min()) / NANOSECONDS["d"]) if len(time) else 0.0
    columns = [table[name].to_numpy() for name in ("label", "score", "verdict")]
    return columns[0].astype(bool), columns[1], columns[2], max(days, 1e-9)
