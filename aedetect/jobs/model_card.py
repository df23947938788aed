"""The model card: the description of a version, in Markdown.

The sections follow Mitchell et al.: Model cards for model reporting (2019), as far as they can be
answered from a training run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from aedetect.timestamps import format_duration
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import Feature
    from aedetect.detector import CalibratedScorer
    from aedetect.jobs.fit_scorer import Trained
    from aedetect.training import Ingested

_LISTED, _NOTES = 12, 8  # columns, entities and notes in a card
_LONGEST = 4_800  # characters; MLflow's databases take 5,000
_TEXT = 400  # characters of a note, or of the location of the data


def write_model_card(
    reference: str,
    *,
    config: Config,
    ingested: Ingested,
    trained: Trained,
    detector: CalibratedScorer,
    tags: Mapping[str, str],
) -> str:
    """Return the card of a version, such as "pump/3": purpose, data, promise, limits, loading.

    `tags` are those of the version, see `aedetect.jobs.run_record`.
    """
    sections = {
        f"# {reference}": _purpose(ingested, trained),
        "## Data": _data(config, ingested, tags),
        "## Promise": _promise(config, detector, trained),
        "## Limits": _limits(ingested, detector),
        "## Use": _use(reference, ingested),
    }
    text = "\n\n".join(f"{title}\n\n{chr(10).join(lines)}" for title, lines in sections.items())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n..."


def _purpose(ingested: Ingested, trained: Trained) -> Iterator[str]:
    schema, scorer = ingested.schema, trained.scorer
    of = f", for each `{schema.entity}`" if schema.entity else ""
    yield (
        f"Finds rows of {len(schema.features)} columns that are unlike the training rows{of}: "
        "a score (the higher, the more anomalous), a p-value, a verdict and its causes for each. "
        "It knows normal rows only, and no kinds of faults."
    )
    yield ""
    chosen = ", chosen by injected anomalies" if trained.evidence else ""
    yield (
        f"Autoencoder `{scorer.model.settings.network}`{chosen}, windows of {scorer.length} rows, "
        f"score `{scorer.score}`."
    )


def _data(config: Config, ingested: Ingested, tags: Mapping[str, str]) -> Iterator[str]:
    rows, schema = ingested.rows, ingested.schema
    names = [str(name) for name in rows.names if name is not None]
    yield "| | |"
    yield "|---|---|"
    yield f"| trained on | {tags['trained_from']} to {tags['trained_until']} |"
    yield f"| held out for the threshold | {tags['held_out_from']} to {tags['held_out_until']} |"
    entities = f" of {len(names)} entities: {list_some(names, most=_LISTED)}" if names else ""
    yield f"| rows | {len(rows):,}{entities} |"
    period, gap = format_duration(schema.period), format_duration(schema.max_gap)
    yield f"| sampling | a row every {period}; a gap above {gap} ends a series |"
    yield f"| columns | {list_some(map(_range, schema.features), most=_LISTED, separator='; ')} |"
    yield f"| source | `{', '.join(config.data.sources)[:_TEXT]}` |"
    yield f"| fingerprint | `{ingested.fingerprint[:16]}`, configuration `{config.hash[:16]}` |"


def _range(feature: Feature) -> str:
    """Return a column with the range of its normal rows."""
    if feature.is_text:
        return f"`{feature.label}` {list_some(feature.categories, most=4)}"
    if feature.low is None or feature.high is None:
        return f"`{feature.label}`"
    return f"`{feature.label}` {feature.low:.4g} to {feature.high:.4g}"


def _promise(config: Config, detector: CalibratedScorer, trained: Trained) -> Iterator[str]:
    calibration = detector.calibration
    threshold, expected = calibration.threshold, calibration.forecast
    promise = calibration.promise.in_one_line(renewed=config.renew is not None)[:_TEXT]
    yield (
        f"{promise[:1].upper()}{promise[1:]}. Chosen by `{threshold.method}` on "
        f"{len(calibration.scores):,} held-out rows: {expected.per_day:.2g} events a day "
        f"({expected.low:.2g} to {expected.high:.2g}). Threshold {threshold.value:.4g}, mean "
        f"squared error of held-out windows {trained.held_out_loss:.4g} in units of the scaling."
    )
    if calibration.scope:
        yield f"The promise is made {calibration.scope}."
    yield "A later calibration, see the tag `calibration`, replaces the threshold."


def _limits(ingested: Ingested, detector: CalibratedScorer) -> Iterator[str]:
    scorer, schema = detector.scorer, ingested.schema
    yield f"- The first {scorer.length - 1} rows of a series have no full window: not scored."
    yield (
        f"- A verdict depends on rows up to {format_duration(scorer.lookback)} before it; with "
        "fewer of them scores differ slightly."
    )
    if schema.entity is not None:
        scored = "scored by the values of all together"
        pooled = scored if detector.calibration.unseen == "pooled" else "not scored"
        yield f"- Entities that training never saw are {pooled}."
    yield "- The promise holds while normal rows stay what they were: `aedetect drift` tells."
    told = (*detector.calibration.notes, *ingested.notes)
    yield from (f"- {note[:_TEXT]}" for note in told[:_NOTES])
    if len(told) > _NOTES:
        yield f"- and {len(told) - _NOTES} more notes, in the log of the training"


def _use(reference: str, ingested: Ingested) -> Iterator[str]:
    schema = ingested.schema
    needed = [schema.timestamp, *([schema.entity] if schema.entity else [])]
    named = ", ".join(f"`{name}`" for name in needed)
    yield "```python"
    yield "import mlflow"
    yield ""
    yield f'model = mlflow.pyfunc.load_model("models:/{reference}")'
    yield "verdicts = model.predict(frame)  # a row for each row of the frame"
    yield "```"
    yield ""
    yield f"`frame` has {named} and the columns above, and the rows before those of interest."
    yield f'`aedetect.load_detector("{reference}")` returns the same for Python without MLflow\'s'
    yield f"types, and `mlflow models serve -m models:/{reference}` answers over HTTP."
