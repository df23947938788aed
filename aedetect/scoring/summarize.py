"""Summarize a scoring run: its input, and the results of its partitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.data.unused import unused_columns
from aedetect.detector import read_saved_history
from aedetect.scoring.loaded import Model, cached_outline
from aedetect.scoring.outcome import PeriodOutcome, outcomes
from aedetect.scoring.outcome_table import alerts_of_outcome
from aedetect.scoring.run_warnings import alerts_of, alerts_of_shifts, warnings_of
from aedetect.scoring.schema_drift import column_changes, undated
from aedetect.scoring.summary import Summary
from aedetect.scoring.worker import ComputedPartition, Deferred

if TYPE_CHECKING:
    from aedetect.data import Source
    from aedetect.data.settings import DataSettings
    from aedetect.events.ongoing import LevelShift
    from aedetect.events.table import EventChanges
    from aedetect.scoring.input_changes import InputChanges
    from aedetect.scoring.plan import Plan
    from aedetect.wall_clock import WallClock


def summarize_input(
    model: Model,
    found: Source,
    source: Source,
    schema_mismatch: Mapping[str, str],
    arrived: InputChanges,
    *,
    output: Path,
    settings: DataSettings,
    is_first: bool,
    clock: WallClock,
) -> Summary:
    """Start the summary of a run with its input.

    The source contains the files that can be scored; `schema_mismatch` maps files to the reason why
    the model cannot score them; other files quarantined are unreadable. Columns that the model does
    not use are named when it scores for the first time.
    """
    outline = cached_outline(model.folder)
    unused = unused_columns(outline.schema, source.files, settings) if is_first else None
    changed = {*arrived.new, *arrived.changed}
    looked_at = [file for file in source.files if file.name in changed]
    newest = max((file.times.last for file in found.files if file.times is not None), default=None)
    return Summary(
        status="done",
        model=f"{model.name}/{model.version}",
        calibration_version=outline.calibration.version,
        output=str(output),
        files=len(found.files) + len(found.quarantined),
        files_new=len(arrived.new),
        files_changed=len(arrived.changed),
        files_deleted=len(arrived.deleted),
        unreadable=tuple(
            str(each) for each in source.quarantined if each.name not in schema_mismatch
        ),
        schema_mismatch=tuple(
            str(each) for each in source.quarantined if each.name in schema_mismatch
        ),
        passed_over=tuple(map(str, found.passed_over)),
        undated=tuple(f"{f.name}: {undated(f)}" for f in source.files if f.undated),
        drift=column_changes(outline.schema, outline.preparation, looked_at, label=settings.label),
        newest=None if newest is None else clock.iso(newest),
        warnings=() if unused is None else (unused,),
    )


def outcome_of(
    model: Model, output: Path, *, renewed: bool, factor: float
) -> tuple[PeriodOutcome, ...]:
    """Return the outcome of the last days beside the promise of a model's calibration.

    `renewed`: the thresholds follow, and what all of them flagged counts. Else a renewal is a
    change that was made by hand, and what came before it is over. `factor` times the promise is an
    alert.
    """
    outline = cached_outline(model.folder)
    history = read_saved_history(Path(model.folder))
    return outcomes(
        output,
        model_version=model.version,
        calibration=outline.calibration,
        base=history.base if renewed else history.newest,
        entities=outline.entities,
        factor=factor,
    )


def summarize_run(
    begun: Summary,
    plan: Plan,
    results: Iterable[ComputedPartition | Deferred],
    formed: EventChanges,
    *,
    asked: bool,
    outcome: tuple[PeriodOutcome, ...] = (),
    factor: float = 3.0,
    shifts: Iterable[LevelShift] = (),
    before: Collection[str] = (),
    renewed: bool = False,
) -> Summary:
    """Add the results of the partitions to the summary; `asked`: whether a span was given.

    More flagged rows than `factor` times the promise are an alert, and so are shifts of level;
    `before`: texts of the alerts that stand; `renewed`: the thresholds follow already.
    """
    listed, shifted = list(results), list(shifts)
    done = [each for each in listed if isinstance(each, ComputedPartition)]
    left = [each for each in listed if isinstance(each, Deferred)]
    faults = [file for each in left for file in each.because]
    faults += [file for each in done for file in each.without]
    blamed = dict.fromkeys(map(str, faults))
    unreadable = tuple(dict.fromkeys((*begun.unreadable, *blamed)))
    deferred = sorted({*map(str, plan.deferred), *(each.partition for each in left)})
    rows, not_scored = sum(each.rows for each in done), total(each.not_scored for each in done)
    summary = replace(
        begun,
        status="partial" if unreadable or begun.schema_mismatch or deferred else "done",
        unreadable=unreadable,
        partitions=len(done),
        since=min((each.partition for each in done), default=None),
        last=max((each.partition for each in done), default=None),
        current=plan.current,
        withdrawn=tuple(map(str, plan.withdraw)),
        deferred=tuple(deferred),
        rows=rows,
        scored=rows - sum(not_scored.values()),
        flagged=sum(each.flagged for each in done),
        suppressed=total(each.suppressed for each in done),
        not_scored=not_scored,
        events=formed.counts,
        outcome=outcome,
    )
    own = {each.entity for each in shifted}
    return replace(
        summary,
        warnings=(*begun.warnings, *warnings_of(summary, asked=asked)),
        alerts=alerts_of(summary)
        | alerts_of_shifts(shifted, renewed=renewed)
        | alerts_of_outcome(outcome, factor=factor, but=own, before=before, renewed=renewed),
    )


def total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Add up counts by reason."""
    total: dict[str, int] = {}
    for each in counts:
        for reason, count in each.items():
            total[reason] = total.get(reason, 0) + count
    return total
