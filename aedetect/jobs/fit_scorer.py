"""Train a scorer: the network or several candidates, long windows, residuals."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.detector import Scorer, Series
from aedetect.detector.residuals import Residuals
from aedetect.detector.rules import ColumnRules
from aedetect.detector.shapes import weighted
from aedetect.detector.ticks import ticks_of
from aedetect.events import EventRules
from aedetect.jobs.choice import (
    WEIGHTS,
    Evidence,
    Trial,
    choose,
    evidence_of,
    log_candidate,
    prepare_trial,
)
from aedetect.jobs.labelled_evidence import held_out_labels, with_labels
from aedetect.jobs.own_values import estimate_own_values
from aedetect.jobs.residuals import learn_corrections, learn_statistics
from aedetect.logs import log_event
from aedetect.models.settings import CANDIDATES, VariantName
from aedetect.models.threads import one_thread
from aedetect.preprocessing import Part, Windows, split_by_time
from aedetect.training import Fitted, Ingested, PreparedRows, fit_trimmed, train_network
from aedetect.training.fit import CHECK_WINDOWS, build_network
from aedetect.training.long_windows import MOST_CELLS, fit_long
from aedetect.training.loss import error_of
from aedetect.training.suspect_rows import SuspectRows, find_suspect_rows, log_suspect_rows

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.models.base import Autoencoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A scorer, and how its network was trained."""

    scorer: Scorer
    fitted: Fitted
    suspect: tuple[SuspectRows, ...] = ()  # see [training] trim; the largest error first
    evidence: tuple[Evidence, ...] = ()  # of the candidates, if one was chosen
    held_out_loss: float = math.nan  # as `Epoch.validation`, on windows of the calibration part


def train_scorer(config: Config, ingested: Ingested, prepared: PreparedRows) -> Trained:
    """Train the network and estimate its residuals, without the calibration rows.

    With `variant = "auto"` all candidates are trained, and chosen from by injected segments among
    the calibration rows, and by labelled rows of their time: these affect which network it is, and
    not what it has learnt. So is the weight of typical shapes, unless it is set.
    """
    trained = _choose_trained(config, ingested, prepared)
    held_out = prepared.windows[Part.CALIBRATE].thin(CHECK_WINDOWS)
    with one_thread():
        return replace(trained, held_out_loss=error_of(trained.scorer.model, held_out))


def _choose_trained(config: Config, ingested: Ingested, prepared: PreparedRows) -> Trained:
    """Train the variant that is set, or all candidates, and choose."""
    candidates, weights = _candidates(config, prepared), _weights(config)
    trial = None
    if len(candidates) > 1 or len(weights) > 1:
        trial = _prepare_trial(ingested, prepared)
    if trial is None:  # nothing to choose, or nothing to choose by
        return _train_variant(_with(config, candidates[0], weights[0]), ingested, prepared)
    trained: list[Trained] = []
    for name in candidates:
        like = trained[0].scorer if trained else None
        asked = _with(config, name, weights[-1])
        trained.append(_train_variant(asked, ingested, prepared, like=like))
    if len(candidates) == 1 and trained[0].scorer.shapes is None:
        return trained[0]
    found, lookback = [], max(each.scorer.lookback for each in trained)
    with held_out_labels(config, ingested, prepared, lookback=lookback) as labelled:
        for name, each in zip(candidates, trained, strict=True):
            some = weights if each.scorer.shapes is not None else weights[:1]
            seed = config.training.seed
            own = evidence_of(each.scorer, trial, variant=name, weights=some, seed=seed)
            found += own if labelled is None else with_labels(own, each.scorer, labelled)
    for evidence in found:
        log_candidate(evidence)
    best = found[choose(found)]
    chosen = trained[candidates.index(best.variant)]
    scorer = replace(chosen.scorer, shapes=weighted(chosen.scorer.shapes, best.shapes))
    return replace(chosen, scorer=scorer, evidence=tuple(found))


def _candidates(config: Config, prepared: PreparedRows) -> tuple[VariantName, ...]:
    """Return the variants to choose from."""
    if config.model.variant != "auto":
        return (config.model.variant,)
    return tuple(name for name in CANDIDATES if _affordable(name, config, prepared))


def _weights(config: Config) -> tuple[float, ...]:
    """Return the weights of typical shapes to choose from."""
    settings = config.calibration
    if (settings.score, settings.alignment) != ("ensemble", "causal"):
        return (0.0,)
    return WEIGHTS if settings.shapes is None else (settings.shapes,)


def _with(config: Config, variant: VariantName, shapes: float) -> Config:
    model = replace(config.model, variant=variant)
    return replace(config, model=model, calibration=replace(config.calibration, shapes=shapes))


def _affordable(variant: VariantName, config: Config, prepared: PreparedRows) -> bool:
    """Whether a candidate can be trained on windows of so many cells."""
    cells = config.window.length * len(prepared.preparation.owner)
    return variant != "linear" or cells <= MOST_CELLS


def _prepare_trial(ingested: Ingested, prepared: PreparedRows) -> Trial | None:
    """Take held-out rows, in which numbers may be altered."""
    numbers = np.array([feature.kind == "number" for feature in ingested.schema.features])
    trial = prepare_trial(
        series_of(ingested, prepared),
        ingested.rows.entity,
        learn=prepared.windows[Part.LEARN].ends,
        held_out=prepared.windows[Part.CALIBRATE].ends,
        columns=np.flatnonzero(numbers[prepared.preparation.owner]),
    )
    if trial is None:
        text = (
            "too few held-out rows to choose by: [model] variant and [calibration] shapes are "
            "their defaults where they are not set"
        )
        log_event(logger, "note", text=text)
    return trial


def _train_variant(
    config: Config, ingested: Ingested, prepared: PreparedRows, *, like: Scorer | None = None
) -> Trained:
    """Train one network, and estimate its residuals.

    What follows from the rows alone is taken from `like`, a scorer of the same rows. Trimming
    leaves other rows out for each network.
    """
    preparation, windows = prepared.preparation, prepared.windows
    model = build_network(
        config.model,
        length=config.window.length,
        inputs=preparation.width,
        outputs=len(preparation.owner),
        seed=config.training.seed,
    )
    if config.training.trim:
        fitted, windows, suspect = _trimmed(config, ingested, prepared, model)
    else:
        suspect = ()
        fitted = train_network(
            model, windows[Part.LEARN], windows[Part.VALIDATE], settings=config.training
        )
    series = series_of(ingested, prepared)
    same = None if config.training.trim else like
    scorer = Scorer(
        schema=ingested.schema,
        preparation=preparation,
        model=fitted.model,
        score=config.calibration.score,
        residuals=Residuals(np.ones((1, 1), dtype=np.float32)),  # measured below
        top_k=config.calibration.top_k,
        rules=like.rules if like is not None else _rules(config, ingested),
        own=same.own if same is not None else estimate_own_values(preparation, series, windows),
        alignment=config.calibration.alignment,
        smooth=config.calibration.smooth,
        shapes=same.shapes if same is not None else None,
    )
    if scorer.combines:
        learn = windows[Part.LEARN]
        long = same.long if same is not None else _long(config, prepared, learn)
        scorer = replace(scorer, long=long)
        scorer = replace(scorer, corrections=learn_corrections(scorer, series, learn))
    stride, weight = config.window.stride, config.calibration.shapes or 0.0
    scorer = learn_statistics(scorer, ingested.rows, series, windows, stride=stride, weight=weight)
    return Trained(scorer, fitted, suspect)


def _rules(config: Config, ingested: Ingested) -> ColumnRules:
    """Learn the column rules."""
    return ColumnRules.fit(
        ingested.rows,
        schema=ingested.schema,
        settings=config.rules,
        per_entity=config.prepare.per_entity,
    )


def _long(config: Config, prepared: PreparedRows, learn: Windows) -> Autoencoder | None:
    """Fit the linear autoencoder of long windows; None where they are turned off."""
    asked, columns = config.window.long_rows, len(prepared.preparation.owner)
    return fit_long(learn, prepared.back, length=asked, columns=columns) if asked else None


def _trimmed(
    config: Config, ingested: Ingested, prepared: PreparedRows, model: Autoencoder
) -> tuple[Fitted, Mapping[Part, Windows], tuple[SuspectRows, ...]]:
    """Train without the rows of largest error; return the remaining windows and suspect rows."""
    rows, schema = ingested.rows, ingested.schema
    part = split_by_time(rows, holdout=config.calibration.holdout, gap=config.window.length)
    trimmed = fit_trimmed(model, prepared.windows, part, settings=config.training)
    suspect = find_suspect_rows(
        trimmed,
        prepared.windows,
        part,
        rows=rows,
        schema=schema,
        preparation=prepared.preparation,
        merge_gap=EventRules.of(config.events, max_gap=schema.max_gap).merge_gap,
    )
    log_suspect_rows(suspect)
    return trimmed.fitted, trimmed.windows, suspect


def series_of(ingested: Ingested, prepared: PreparedRows) -> Series:
    """Return the rows of all parts for scoring; no window spans two parts."""
    windows = prepared.windows[Part.LEARN]  # all parts share the same rows
    return Series(
        matrix=windows.matrix,
        observed=windows.observed,
        entity=prepared.preparation.entity_codes(ingested.rows),
        back=prepared.back,
        valid=np.ones(len(prepared.back), dtype=np.bool_),
        tick=ticks_of(ingested.rows, ingested.schema),
    )
