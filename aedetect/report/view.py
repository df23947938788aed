"""What the template of a page shows: texts and numbers, nothing to compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from aedetect.drift.shifts import faults_of
from aedetect.events.description import plain_number
from aedetect.output.schemas import SEVERITIES
from aedetect.report.fault_view import fault_views
from aedetect.report.lanes import lane_numbers
from aedetect.report.wording import clip, first_sentence, minutes, odds, span_text
from aedetect.scoring.outcome_table import describe_others, describe_outcome
from aedetect.scoring.run_warnings import with_remedy
from aedetect.wording import fact_text, list_some

if TYPE_CHECKING:
    from aedetect.drift import Shift
    from aedetect.report.facts import SensorGrade
    from aedetect.report.page import Page
    from aedetect.scoring.outcome import PeriodOutcome

_MAX_LISTED = 50  # texts of a kind
_MAX_KNOWN = 200
_FOLDED = 5  # events of the least severity that are shown beside others, without a click
_SHORT = 160  # characters of a name
_RUN_TEXTS = (
    ("unreadable", "quarantined, tried again"),
    ("schema_mismatch", "quarantined, other columns"),
    ("passed_over", "passed over, no Parquet"),
    ("undated", "rows without a timestamp"),
    ("deferred", "deferred, an input cannot be read"),
    ("withdrawn", "withdrawn, input gone"),
    ("warnings", "warning"),
    ("alerts", "alert"),
)


def page_view(page: Page, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return everything on a page but its events, which are the items, and lines."""
    facts, clock = page.facts, page.facts.clock
    return {
        "title": clip(f"{facts.detector}: anomalies", most=_SHORT),
        "detector": clip(facts.detector, most=_SHORT),
        "sentence": first_sentence(page),
        "range": f"{minutes(clock.format(page.first))} to {minutes(clock.format(page.last))}",
        "total": len(page.events),
        "shown": sum(len(each["events"]) for each in items),
        "minor": (minor := _minor(items)),
        "minor_events": sum(len(each["events"]) for each in items[len(items) - minor :]),
        "suppressed": page.suppressed,
        "entities": page.grid.known,
        "config": quote(facts.config),
        "faults": fault_views(page.faults, total=len(page.events), lanes=lane_numbers(page)),
        "more_faults": len(faults_of(page.shifts)) - len(page.faults),
        "table": list(_lane_table(page)),
        "outcome": list(_outcome(page)),
        "shifts": [_shift(each, lane_numbers(page)) for each in page.shifts[:_MAX_LISTED]],
        "sensors": _graded(facts.sensors),
        "high": _high(facts.sensors),
        "detections": _detections(page),
        "not_scored": _counted(page.grid.not_scored),
        "withheld": _counted(page.grid.suppressed),
        "counts": page.grid.counts,
        "rows": sum(page.grid.counts.values()),
        "withdrawn": list(_withdrawn(page)),
        "runs": [_run(run) for run in page.runs],
        "model": list(_model(page)),
        "notes": [clip(each) for each in facts.notes],
        "version": facts.version,
        "written": facts.written,
    }  # fmt: skip


def _minor(items: Sequence[Mapping[str, Any]]) -> int:
    """Return how many items, the last ones, are folded: of the least severity, beside others."""
    count = sum(each["events"][0]["severity"] == SEVERITIES[0] for each in items)
    return count if _FOLDED < count < len(items) else 0


def _graded(sensors: Sequence[SensorGrade]) -> list[dict[str, Any]]:
    """Return the sensors that are not graded High, each with its reason."""
    return [_clipped(vars(each)) for each in sensors if each.grade != "High"][:_MAX_KNOWN]


def _high(sensors: Sequence[SensorGrade]) -> str:
    """Return the names of the others."""
    names = [clip(each.name, most=_SHORT) for each in sensors if each.grade == "High"]
    return list_some(names, most=_MAX_LISTED)


def _lane_table(page: Page) -> Iterator[dict[str, Any]]:
    """Yield a line for each lane, for those who read a table rather than colours."""
    grid = page.grid
    counts = page.events["entity"].value_counts() if len(page.events) else []
    events = {each["values"].as_py(): each["counts"].as_py() for each in counts}
    for at, name in enumerate(grid.entities):
        known = grid.rarest[at][grid.rarest[at] == grid.rarest[at]]
        yield {
            "lane": at,
            "name": clip("all rows" if name is None else name, most=_SHORT),
            "events": events.get(name, 0),
            "odds": odds(float(known.min())) if len(known) else "",
            "rows": int(grid.rows[at].sum()),
            "unscored": int(grid.unscored[at].sum()),
        }


def _outcome(page: Page) -> Iterator[dict[str, Any]]:
    lanes = lane_numbers(page)
    for each in page.facts.outcome:
        yield {
            "text": clip(describe_outcome(each)),
            "together": each.together,
            "lane": lanes.get(each.entity, -1),
            "state": _state(each) if each.together else "",
            "others": describe_others(each),
        }


def _state(each: PeriodOutcome) -> str:
    """Say whether a promise was kept, as far as the days tell."""
    if each.low is None or each.high is None:
        return "too few days to tell"
    if each.refused:
        return "nothing was promised"
    if each.share <= each.most:
        return "kept"
    if each.low <= each.most:
        return "above; chance is not ruled out"
    return "not kept before that" if each.kept_since else "not kept"


def _withdrawn(page: Page) -> Iterator[dict[str, Any]]:
    lanes = lane_numbers(page)
    for each in page.withdrawn:
        yield {
            "text": clip(each.text),
            "entity": clip(each.entity or "all rows", most=_SHORT),
            "start": each.start,
            "end": each.end,
            "begin": minutes(each.start),
            "id": each.event_id,
            "lane": lanes.get(each.entity, -1),
        }


def _shift(shift: Shift, lanes: Mapping[str | None, int]) -> dict[str, Any]:
    bars = [
        {
            "column": clip(each["column"], most=_SHORT),
            "psi": plain_number(each["psi"]),
            "limit": plain_number(each["limit"]),
            "training": _bars(each["training"]),
            "now": _bars(each["now"]),
        }
        for each in shift.distributions
    ]
    lane = None if shift.world else lanes.get(shift.entity, -1)  # None: of all
    return {"text": clip(shift.text), "columns": bars, "lane": lane}


def _bars(counts: list[int]) -> list[float]:
    """Return the heights of a histogram, of the largest: 0 to 100."""
    most = max(max(counts, default=0), 1)
    return [round(100 * each / most, 1) for each in counts]


def _detections(page: Page) -> dict[str, Any] | None:
    found = page.detections
    if found is None:
        return None
    clock, ids = page.facts.clock, page.events["event_id"].to_pylist()
    lanes = lane_numbers(page)
    ahead = found.forewarning
    return {
        "total": len(found.anomalies),
        "found": found.found,
        "foretold": found.foretold,
        "missed": found.missed,
        "early": len(found.early),
        "false": len(found.false),
        "complete": page.facts.complete,
        "before": span_text(page.facts.forewarning),
        "forewarning": None if ahead is None else _ahead(ahead),
        "listed": [
            {
                "entity": clip(each.known.entity or "all rows", most=_SHORT),
                "lane": lanes.get(each.known.entity, -1),
                "start": minutes(clock.format(each.known.start)),
                "end": minutes(clock.format(each.known.end)),
                "event": None if each.event is None else ids[each.event],
                "ahead": "missed" if each.ahead is None else _ahead(each.ahead),
            }
            for each in found.anomalies[:_MAX_KNOWN]
        ],
    }


def _ahead(nanoseconds: float) -> str:
    """Say how long before or after the start of an anomaly its first event came."""
    word = "before" if nanoseconds > 0 else "after"
    return f"{span_text(nanoseconds)} {word} it began" if nanoseconds else "as it began"


def _counted(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"text": clip(with_remedy(t)), "rows": n} for t, n in list(counts.items())[:_MAX_LISTED]
    ]


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    texts = [
        f"{word}: {clip(text)}" for key, word in _RUN_TEXTS for text in (run.get(key) or [])[:5]
    ]
    return {
        "started": run["started"].isoformat(" ", timespec="seconds"),
        "status": run["status"] + (" (reflag)" if run["command"] == "reflag" else ""),
        "model": clip(run["model"], most=_SHORT),
        "rows": run["rows"],
        "scored": run["scored"],
        "flagged": run["flagged"],
        "events": sum((run["events"] or {}).values()),
        "seconds": None if run["seconds"] is None else f"{run['seconds']:.1f}",
        "texts": ([f"error: {clip(run['error'])}"] if run["error"] else []) + texts,
    }


def _model(page: Page) -> Iterator[tuple[str, str]]:
    facts = page.facts
    yield "model", clip(facts.model, most=_SHORT)
    if facts.calibration is not None:
        yield "calibration", str(facts.calibration)
    yield from ((key, clip(fact_text(text))) for key, text in facts.trained.items())
    newest = pc.max(page.events["calibration_version"]).as_py() if len(page.events) else None
    if newest is not None and facts.calibration is None:
        yield "calibration", str(newest)
    yield "period of rows", span_text(page.period)


def _clipped(texts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: clip(each) if isinstance(each, str) else each for key, each in texts.items()}
