"""A detector from a data frame, without a configuration file, a registry or Prefect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from aedetect.api.detector import as_detector
from aedetect.errors import SchemaMismatch, TooFewRows
from aedetect.logs import heard_notes
from aedetect.output.scratch import temporary_folder

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from aedetect.api.detector import Detector

_FILE = "frame.parquet"
_FITTED = "frame"  # the name of a detector that is not registered

Section = Mapping[str, Any]


def fit(
    frame: pd.DataFrame,
    *,
    timestamp: str,
    entity: str | None = None,
    seed: int = 0,
    data: Section | None = None,
    prepare: Section | None = None,
    window: Section | None = None,
    model: Section | None = None,
    training: Section | None = None,
    rules: Section | None = None,
    calibration: Section | None = None,
    events: Section | None = None,
) -> Detector:
    """Train a detector on a data frame and calibrate its threshold.

    The result is that of `aedetect.train` on a file with the same rows: the same weights and
    thresholds. The newest rows are held out to calibrate the threshold. Nothing is registered, no
    file is left behind, and the state of the process is restored.

    Args:
        frame: Rows of normal operation, in any order. All columns but the timestamp and the entity
            are features, unless `data` chooses some. `timestamp` and `entity` may name levels of
            the index.
        timestamp: Name of the column with the timestamps.
        entity: Name of the column that identifies the series: a machine, sensor or service. None:
            all rows are one series.
        seed: What first weights and the order of the windows are drawn from.
        data: Other settings of the section `[data]` of a configuration file, by key, such as
            `{"label": "is_anomaly"}` or `{"exclude": ["note"]}`.
        prepare: Settings of `[prepare]`, such as `{"scaler": "robust"}`.
        window: Settings of `[window]`, such as `{"length": 32}`.
        model: Settings of `[model]`, such as `{"variant": "linear"}`.
        training: Settings of `[training]`, such as `{"epochs": 20}`.
        rules: Settings of `[rules]`, such as `{"constant": false}`.
        calibration: Settings of `[calibration]`, such as `{"alert_budget": "2 per day"}`.
        events: Settings of `[events]`; an alert budget counts events.

    Returns:
        The detector. Its method `score` scores other data frames, and `notes` has what is to be
        known of the data; in a program without logging standard error has it, too.

    Raises:
        ConfigError: A setting is unknown or impossible.
        SchemaMismatch: The timestamp or entity column is missing, or a column cannot be used.
        TooFewRows: There are not enough rows to train on.
        CalibrationRefused: The held-out rows cannot support the threshold that was asked for.
    """
    from aedetect.config import make_config
    from aedetect.jobs.training import train_detector

    table = _checked_table(frame, timestamp=timestamp, entity=entity)
    given = {
        "detector": {"name": _FITTED},
        "data": _joined(data, {"train": _FILE, "timestamp": timestamp, "entity": entity}),
        "prepare": prepare or {},
        "window": window or {},
        "model": model or {},
        "training": _joined({"seed": seed}, training or {}),
        "rules": rules or {},
        "calibration": calibration or {},
        "events": events or {},
    }
    with temporary_folder() as folder, _as_frame(), heard_notes() as notes:
        config = make_config(given, folder=folder)
        _write(table, folder / _FILE)
        return as_detector(train_detector(config, folder)[-1], notes=notes)


@contextmanager
def _as_frame() -> Iterator[None]:
    """Let errors about the columns of the file be about the frame that was given."""
    try:
        yield
    except SchemaMismatch as error:
        text = str(error).replace(f" of {_FILE}", "").replace(_FILE, "the frame")
        text = text.replace("when the file is written", "in the frame")
        raise SchemaMismatch(text) from error


def _joined(first: Section | None, second: Section) -> Section:
    """Return the keys of both; a value that is no section is refused with the configuration."""
    parts: list[Any] = [part for part in (first, second) if part is not None]
    wrong = [part for part in parts if not isinstance(part, Mapping)]
    joined = {key: each[key] for each in parts for key in each} if not wrong else wrong[0]
    return cast("Section", joined)


def _checked_table(frame: pd.DataFrame, *, timestamp: str, entity: str | None) -> pa.Table:
    """Convert a frame to Arrow; raise an error if it is invalid."""
    import pyarrow as pa

    from aedetect.data.pandas_columns import (
        arrow_column,
        check_frame,
        check_moments,
        missing_columns,
        missing_message,
        with_index_columns,
    )

    check_frame(frame)
    for word, name in (("timestamp", timestamp), ("entity", entity or "")):
        if not isinstance(name, str):
            raise TypeError(f"{word} must be the name of a column, got {name!r}")
    needed = [timestamp] if entity is None else [timestamp, entity]
    frame = with_index_columns(frame, needed)
    columns: list[Any] = list(frame.columns)
    if others := [name for name in columns if not isinstance(name, str)]:
        raise SchemaMismatch(
            f"column names must be text, got {others[0]!r}: rename them, such as by "
            "frame.columns = frame.columns.map(str)"
        )
    if missing := missing_columns(frame, dict.fromkeys([*needed, *columns])):
        raise SchemaMismatch(missing_message(frame, missing, timestamp=timestamp))
    if frame.empty:
        raise TooFewRows("the frame must have rows to train on, got none")
    check_moments(frame[timestamp], timestamp)
    return pa.table({name: arrow_column(frame[name], name) for name in columns})


def _write(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path)
