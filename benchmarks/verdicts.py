"""What a trained network says of the later rows, by each of several scores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from quality import Verdict
from scores import ScoreConfig, scored_by

from aedetect.arrays import Float64, Int32
from aedetect.calibration.calibration import Calibration
from aedetect.jobs import fit_scorer, training

if TYPE_CHECKING:
    from tasks import Task

    from aedetect.config import Config

DEFAULT = "default"


def by_scores(task: Task, names: Sequence[str]) -> Iterator[tuple[str, Verdict]]:
    """Train once, and judge the later rows by each score: "default", "mse", "mse@10", "mse/0.001".

    A rate takes the place of the default threshold: the share of rows that is flagged.
    """
    begun = time.process_time()
    trained = fit_scorer.train_scorer(task.config, task.ingested, task.prepared)
    taken = time.process_time() - begun
    for text in names:
        begun = time.process_time()
        name, _, rate = text.partition("/")
        config, scorer = _with_rate(task.config, rate), trained.scorer
        if name != DEFAULT:
            scorer = scored_by(task, scorer, _way(name, task))
        detector = training.calibrate_detector(
            config, task.ingested, task.prepared, replace(trained, scorer=scorer)
        )
        done = time.process_time()
        rows, judged = scorer.judge(task.later.series, np.ones(len(task.later.truth), np.bool_))
        seconds = time.process_time() - done
        entity = task.later.entity[rows]
        verdict = Verdict(
            rows=rows,
            score=judged.score.astype(np.float64),
            threshold=detector.calibration.thresholds(entity),
            promised=promised(detector.calibration, entity),
            training=taken + done - begun,
            rate=len(rows) / seconds,
        )
        yield text, verdict


def promised(calibration: Calibration, entity: Int32) -> Float64:
    """Return the share of normal rows that may be flagged, by entity: (N,) -> (N,)."""
    codes, place = np.unique(entity, return_inverse=True)
    own = [calibration.own.get(code, calibration).threshold.rate for code in codes.tolist()]
    return np.array(own)[place]


def _with_rate(config: Config, rate: str) -> Config:
    """Return the configuration with a rate of flagged rows, unless none is named."""
    if not rate:
        return config
    settings = replace(config.calibration, false_alarm_rate=float(rate))
    return replace(config, calibration=settings)


def _way(text: str, task: Task) -> ScoreConfig:
    """Return the score, alignment and smoothing that a text names."""
    name, _, smooth = text.partition("@")
    return name, task.config.calibration.alignment, int(smooth or 1)  # type: ignore[return-value]
