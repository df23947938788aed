"""The record of a training run: all that the registry keeps of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.jobs.input_example import make_input_example
from aedetect.jobs.model_card import write_model_card
from aedetect.jobs.run_record import (
    data_profile,
    epoch_metrics,
    run_metrics,
    run_parameters,
    signature_columns,
    training_tags,
)
from aedetect.logs import log_event
from aedetect.registry.records import Table, TrainingRecord

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.detector import CalibratedScorer
    from aedetect.jobs.fit_scorer import Trained
    from aedetect.training import Ingested

logger = logging.getLogger(__name__)

CANDIDATES_FILE = "candidates.json"  # table of the run: what spoke for each candidate
SUSPECT_ROWS_FILE = "distrusted.json"  # artifact of the run: the rows that [training] trim left out


def make_record(
    config: Config,
    ingested: Ingested,
    trained: Trained,
    detector: CalibratedScorer,
    *,
    started: datetime,
    scratch: Path | None,
) -> TrainingRecord:
    """Return the record of a training; its pictures go into a scratch folder, or are left out."""
    tags = training_tags(config, ingested, trained, detector)
    suspect = [asdict(each) for each in trained.suspect]
    return TrainingRecord(
        name=config.name,
        variant=trained.scorer.model.settings.network,
        parameters=run_parameters(config, ingested, trained.scorer),
        epochs=[epoch_metrics(epoch) for epoch in trained.fitted.epochs],
        metrics=run_metrics(ingested, trained, detector),
        data_source=", ".join(config.data.sources),
        data_fingerprint=ingested.fingerprint,
        data_columns=signature_columns(ingested.schema),
        data_profile=data_profile(ingested, tags),
        config_hash=config.hash,
        tags=tags,
        texts={SUSPECT_ROWS_FILE: json.dumps(suspect, indent=1)} if suspect else {},
        tables=_candidates(trained),
        pictures=() if scratch is None else _drawn(detector, ingested.rows.names, to=scratch),
        started=started,
        card=partial(
            write_model_card,
            config=config,
            ingested=ingested,
            trained=trained,
            detector=detector,
            tags=tags,
        ),
        example=make_input_example(ingested, length=trained.scorer.length),
    )


def _drawn(
    detector: CalibratedScorer, names: Sequence[str | None], *, to: Path
) -> tuple[Path, ...]:
    """Draw the pictures; none when that fails: a training of hours is worth more."""
    try:
        return draw_plots(detector, names, to=to)
    except Exception as error:  # whatever it is, it becomes a note
        text = f"the calibration could not be drawn ({type(error).__name__}: {error})"
        log_event(logger, "note", text=f"{text}: the version is registered without pictures")
        return ()


def draw_plots(
    detector: CalibratedScorer, names: Sequence[str | None], *, to: Path
) -> tuple[Path, ...]:
    """Draw the pictures of a calibration into a folder; return their paths."""
    from aedetect.figures.calibration_plots import draw_calibration, draw_score_distribution
    from aedetect.figures.canvas import save_figure

    calibration = detector.calibration
    known = detector.scorer.preparation.entities or names
    return (
        save_figure(draw_calibration(calibration), to / "calibration.png"),
        save_figure(draw_score_distribution(calibration, known), to / "score_distribution.png"),
    )


def _candidates(trained: Trained) -> Mapping[str, Table]:
    """Return the table of the candidates; none when nothing was chosen."""
    evidence, scorer = trained.evidence, trained.scorer
    if not evidence:
        return {}
    chosen = scorer.model.settings.network, scorer.shapes.weight if scorer.shapes else 0.0
    kinds = list(dict.fromkeys(kind for each in evidence for kind in each.kinds))
    table: dict[str, list[Any]] = {
        "variant": [each.variant for each in evidence],
        "shapes": [each.shapes for each in evidence],
        "chosen": [(each.variant, each.shapes) == chosen for each in evidence],
        "injected": [each.injected for each in evidence],
        "labelled": [each.labelled for each in evidence],
        "labelled_stretches": [each.stretches for each in evidence],
        "drift": [each.drift for each in evidence],
        **{f"injected_{kind}": [each.kinds.get(kind) for each in evidence] for kind in kinds},
    }
    return {CANDIDATES_FILE: table}
