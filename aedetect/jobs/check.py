"""The command `check`: what `train` and `score` will take, treat specially and refuse."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.forecast import Timing
from aedetect.drift import why_no_column
from aedetect.errors import AedetectError, NoData
from aedetect.jobs.dataset import ingest_rows, prepare_rows
from aedetect.jobs.findings import Finding, Grade, by_grade, worst_grade
from aedetect.jobs.input_check import InputQuality, check_input, see_input
from aedetect.jobs.quality import GAPS, OK, Quality, assess, rule_notes
from aedetect.preprocessing import Part

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.training import Ingested, PreparedRows

_MOST = 20  # entities with a finding of their own
_ALIKE = 3  # entities with gaps, beyond which they are one finding
_MANY = 0.05  # share of rows in no window that deserves a look


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The report of `check`: its worst grade, all findings, the worst first, and the figures."""

    grade: Grade
    findings: tuple[Finding, ...]
    train: Quality | None  # None when the training data are refused
    input: InputQuality | None  # None without [scoring] input, or when it cannot be compared


def check_data(config: Config, scratch: Path) -> Checked:
    """Check the training data and the input by the code that trains and scores.

    What either would refuse becomes a finding of grade `refuse`, with the error's text.
    """
    findings: list[Finding] = []
    try:
        ingested = ingest_rows(config, scratch)
    except AedetectError as error:
        refused = Finding("refuse", "train", "training data", str(error))
        return Checked(grade="refuse", findings=(refused,), train=None, input=None)
    with ThreadPoolExecutor(1) as aside:  # Arrow and numpy let others run
        seen = aside.submit(see_input, config, ingested.schema) if config.scoring.input else None
        quality = assess(ingested, length=config.window.length)
        findings += _training_findings(config, ingested, quality)
        if text := why_no_column(ingested.rows.time, period=ingested.schema.period):
            findings.append(Finding("look", "train", "drift", text))
        prepared = None
        try:
            prepared = prepare_rows(config, ingested, scratch)
            findings += _window_findings(config, prepared)
            findings += _threshold_findings(config, ingested, prepared)
        except AedetectError as error:
            findings.append(Finding("refuse", "train", "training data", str(error)))
        findings += _retraining_findings(config)
        scored = None
        if seen is not None:
            try:
                preparation = None if prepared is None else prepared.preparation
                scored = check_input(config, ingested.schema, preparation, seen.result())
                findings += scored.findings
            except NoData as error:
                findings.append(Finding("refuse", "input", "files", str(error)))
    findings += _executor_findings(config)
    listed = by_grade(findings)
    return Checked(grade=worst_grade(listed), findings=listed, train=quality, input=scored)


def _training_findings(config: Config, ingested: Ingested, quality: Quality) -> Iterator[Finding]:
    """Yield what is found in columns, entities and files of the training data."""
    for note in ingested.notes:
        yield Finding("look", "train", "data", note)
    for column in quality.columns:
        if column.verdict != OK:
            yield Finding("look", "train", column.name, column.verdict)
    odd = [each for each in quality.entities if each.verdict != OK]
    holed = [each for each in odd if each.verdict.endswith(GAPS)]
    if len(holed) > _ALIKE:
        odd = [each for each in odd if each not in holed]
        text = f"{len(holed):,} have {sum(each.gaps for each in holed):,} gaps: {GAPS}"
        yield Finding("look", "train", "entities", text)
    for entity in odd[:_MOST]:
        yield Finding("look", "train", str(entity.name or "rows"), entity.verdict)
    if len(odd) > _MOST:
        text = f"{len(odd) - _MOST:,} more have gaps or too few rows"
        yield Finding("look", "train", "entities", text)
    for note in rule_notes(
        ingested.rows, ingested.schema, config.rules, per_entity=config.prepare.per_entity
    ):
        yield Finding("ok", "train", "rules", note)


def _retraining_findings(config: Config) -> Iterator[Finding]:
    """Yield when the detector is trained again, and what keeps that from being of use."""
    settings = config.training
    reasons = [f'on "{settings.schedule}"'] if settings.schedule else []
    reasons += ["when all entities have shifted"] if settings.on_drift else []
    reasons += [f"when the champion knows nothing newer than {settings.max_age}"] * bool(
        settings.max_age
    )
    if not reasons:
        return
    rows = f"the rows of the last {settings.window}" if settings.window else "all of [data] train"
    yield Finding("ok", "train", "retraining", f"{' and '.join(reasons)}, from {rows}")
    if settings.window is None:
        text = (
            "learns nothing of the rows that are scored: set [training] window, or add files to "
            "[data] train"
        )
        yield Finding("look", "train", "retraining", text)
    if (settings.on_drift or settings.max_age) and not config.scoring.schedule:
        text = "drift and age are seen by scoring runs, but [scoring] schedule is not set"
        yield Finding("look", "train", "retraining", text)


def _executor_findings(config: Config) -> Iterator[Finding]:
    """Yield whether the cluster that computes partitions answers, where one does."""
    executor, address = config.scoring.executor, config.scoring.address
    if executor == "local" or address is None:
        return
    from aedetect.execution import describe_cluster

    try:
        yield Finding("ok", "input", "executor", describe_cluster(executor, address))
    except AedetectError as error:
        yield Finding("refuse", "input", "executor", str(error))


def _window_findings(config: Config, prepared: PreparedRows) -> Iterator[Finding]:
    """Yield how many rows no window ends at."""
    length, back = config.window.length, prepared.back
    lost = int((back < length - 1).sum())
    if lost:
        grade: Grade = "look" if lost > _MANY * len(back) else "ok"
        text = (
            f"{lost:,} of {len(back):,} rows have fewer than {length - 1} usable rows before them "
            "without a gap: no window ends there ([data] max_gap and [window] length decide)"
        )
        yield Finding(grade, "train", "windows", text)
    counts = [len(prepared.windows[part]) for part in (Part.LEARN, Part.VALIDATE, Part.CALIBRATE)]
    text = "{:,} windows to learn from, {:,} to validate and {:,} to calibrate".format(*counts)
    yield Finding("ok", "train", "windows", text)


def _threshold_findings(
    config: Config, ingested: Ingested, prepared: PreparedRows
) -> Iterator[Finding]:
    """Yield what can be promised; raise CalibrationRefused without support for the threshold.

    Scores are not known yet: exponential ones, in an order without a pattern, stand for them.
    """
    if config.calibration.threshold in {"fbeta", "pot"}:  # these depend on the scores
        return
    ends = prepared.windows[Part.CALIBRATE].ends
    rank = np.argsort(np.random.default_rng(0).random(len(ends)), kind="stable")
    scores = -np.log1p(-(rank + 0.5) / max(len(ends), 1))
    held_out = HeldOut.of(scores, entity=ingested.rows.entity[ends], time=ingested.rows.time[ends])
    promise = fit_calibration(
        held_out,
        settings=config.calibration,
        timing=Timing.of(config.events, schema=ingested.schema, length=config.window.length),
        per_entity=bool(prepared.preparation.entities),
    ).promise
    if promise.state != "kept":
        said = promise.in_one_line(renewed=config.renew is not None)
        text = f"a young detector: {said} (drift is seen in training)"
        yield Finding("look", "train", "promise", text)
