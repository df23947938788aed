"""Anomaly detection for tabular time series, for production.

Train a detector on a data frame of normal operation, score other rows, and inspect the result:

    >>> import numpy as np, pandas as pd, aedetect
    >>> load = np.sin(np.arange(3000) / 10) + np.random.default_rng(0).normal(0, 0.1, 3000)
    >>> time = pd.date_range("2026-01-01", periods=3000, freq="min")
    >>> frame = pd.DataFrame({"time": time, "pressure": 20 + load, "flow": 5 * load})
    >>> today = frame.tail(200).replace({"flow": {frame["flow"].iloc[-1]: 99.0}})  # a fault

    >>> detector = aedetect.fit(frame.head(2800), timestamp="time", model={"variant": "linear"})
    >>> scored = detector.score(today)
    >>> scored["verdict"].iloc[-1], scored["causes"].iloc[-1][0]["feature"]
    ('anomaly', 'flow')

On data frames:

    fit             a data frame -> Detector
    Detector        score(frame) -> verdicts, p-values and causes; events(frame), report(frame),
                    plot(frame); save(folder)
    load_detector   "models:/pump@champion", a configuration or a folder -> Detector
    score_frame     as Detector.score, with causes only on request

On files, as the command line does, but in this process and without Prefect:

    read_config     one TOML file a detector -> Config
    train           train, calibrate, register -> TrainingResult
    score           score the files that are new or changed -> Summary
    read_events     the events of an output, as a data frame -> Events
    read_report     the page of a time range -> Report

For scikit-learn: `from aedetect.sklearn import AutoencoderDetector`.

A higher score is always more anomalous. All errors raised on purpose are AedetectError; its
subclasses name the cause. `aedetect.testing` has the checks that every variant and every score
passes. Everything else is internal and may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aedetect.api import (
        Detector,
        TrainingResult,
        fit,
        load_detector,
        read_events,
        read_report,
        score,
        train,
    )
    from aedetect.config import Config, read_config
    from aedetect.display import Events, Report
    from aedetect.errors import (
        AedetectError,
        BrokenDetector,
        CalibrationRefused,
        ConfigError,
        DataError,
        DeliveryError,
        NoData,
        OutputError,
        RegistryError,
        SchemaMismatch,
        TooFewRows,
        UnknownModel,
        UnreadableFile,
    )
    from aedetect.registry import Registered
    from aedetect.scoring import Summary, score_frame

__all__ = [
    "AedetectError",
    "BrokenDetector",
    "CalibrationRefused",
    "Config",
    "ConfigError",
    "DataError",
    "DeliveryError",
    "Detector",
    "Events",
    "NoData",
    "OutputError",
    "Registered",
    "RegistryError",
    "Report",
    "SchemaMismatch",
    "Summary",
    "TooFewRows",
    "TrainingResult",
    "UnknownModel",
    "UnreadableFile",
    "fit",
    "load_detector",
    "read_config",
    "read_events",
    "read_report",
    "score",
    "score_frame",
    "train",
]
# All others are errors. Imported on first use, so that `aedetect --help` is fast.
_HOMES = {
    "aedetect.api": (
        "Detector",
        "TrainingResult",
        "fit",
        "load_detector",
        "read_events",
        "read_report",
        "score",
        "train",
    ),
    "aedetect.config": ("Config", "read_config"),
    "aedetect.display": ("Events", "Report"),
    "aedetect.registry": ("Registered",),
    "aedetect.scoring": ("Summary", "score_frame"),
}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = [home for home, names in _HOMES.items() if name in names]
    value: object = getattr(import_module(*(homes or ["aedetect.errors"])), name)
    globals()[name] = value  # found directly from now on
    return value


def __dir__() -> list[str]:
    """List all names, including those not imported yet."""
    return sorted({*globals(), *__all__})
