"""Output of the commands label and backtest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.cli.next_step import print_next
from aedetect.cli.show import console, table_of
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.calibration import Threshold
    from aedetect.evaluation import Backtest
    from aedetect.events import Label
    from aedetect.wall_clock import WallClock

_MAX_DAYS = 40
_MAX_ENTITIES = 12


def print_labels(labels: Sequence[Label], *, config: Path, clock: WallClock) -> None:
    """Show the labels of events."""
    out = console()
    if not labels:
        out.print("no event is labelled yet: aedetect label CONFIG EVENT_ID --false-alarm")
        print_next("flags", config, "events with their ids")
        return
    shown = table_of("event", "entity", "from", "to", "label", "note")
    for each in labels:
        label = each.opinion.replace("_", " ")
        times = (clock.format(time) for time in (each.start, each.end))
        shown.add_row(each.event_id, str(each.entity or "-"), *times, label, each.note or "")
    out.print(shown)
    print_next("train", config, "a new version that uses the labels")


def backtest_as_json(result: Backtest) -> dict[str, object]:
    """Return the fields of a backtest for JSON."""
    delays = [each.delay for each in result.detections if each.delay is not None]
    known = result.known if result.complete else None
    return {
        "since": result.clock.iso(result.since),
        "until": result.clock.iso(result.until),
        "days": result.days,
        "rows": result.rows,
        "events": len(result.alarms),
        "quiet": result.suppressed,
        "time_in_alarm": result.time_in_alarm,
        "longest_seconds": result.longest / NANOSECONDS["s"],
        "by_day": result.by_day,
        "known": None if known is None else len(known),
        "found": None if known is None else len(delays),
        "false": None if known is None else result.false,
        "precision": None if known is None else result.precision,
        "delays_seconds": [] if known is None else [d / NANOSECONDS["s"] for d in delays],
        **result.by_label,
    }


def print_backtest(result: Backtest, *, threshold: Threshold) -> None:
    """Show the events of a backtest."""
    out = console()
    count = len(result.alarms)
    rate = count / max(result.days, 1e-9)
    out.print(
        f"this threshold ({threshold.method}) would have given {count} "
        f"event{'s' * (count != 1)} in {result.days:.1f} days, {rate:.2g} a day, "
        f"over {len(result.entities)} entities"
    )
    if result.suppressed:
        out.print(f"  {result.suppressed} more would have been suppressed by [events]")
    out.print(
        f"  {result.time_in_alarm:.2%} of the entities' time lies within an event; the longest "
        f"lasts {_minutes(result.longest)}"
    )
    out.print(_by_day(result))
    if result.known is not None and result.complete:
        _print_detections(result)
    elif result.known is not None:
        _print_by_label(result)


def _by_day(result: Backtest) -> object:
    """Return a table of events by day and entity, entities with the most events first."""
    total = dict.fromkeys(result.entities, 0)
    for alarm in result.alarms:
        total[alarm.entity] += 1
    names = sorted(total, key=lambda name: (-total[name], name or ""))
    columns, rest = names[:_MAX_ENTITIES], names[_MAX_ENTITIES:]
    headings = [str(name or "events") for name in columns] + ["others"] * bool(rest)
    shown = table_of("day", *headings)
    for day, row in list(result.by_day.items())[-_MAX_DAYS:]:
        others = [sum(row.get(name, 0) for name in rest)] * bool(rest)
        counts = [row.get(name, 0) for name in columns] + others
        shown.add_row(day, *(str(n) if n else "." for n in counts))
    sums = [total[name] for name in columns] + [sum(total[name] for name in rest)] * bool(rest)
    shown.add_row("all", *map(str, sums))
    return shown


def _print_detections(result: Backtest) -> None:
    """Show detected and missed anomalies, false events, and detection delays."""
    delays = sorted(each.delay for each in result.detections if each.delay is not None)
    known = len(result.detections)
    shown = table_of("against known anomalies", "")
    shown.add_row("found", f"{len(delays)} of {known} anomalies")
    shown.add_row("missed", str(known - len(delays)))
    shown.add_row("false events", f"{result.false} of {len(result.alarms)}")
    if result.precision is not None:
        shown.add_row("precision", f"{result.precision:.0%} of events")
    shown.add_row("time in alarm", f"{result.time_in_alarm:.2%}")
    if delays:
        median, largest = delays[len(delays) // 2], delays[-1]
        shown.add_row(
            "delay to detection", f"{_minutes(median)} median, {_minutes(largest)} at most"
        )
    console().print(shown)


def _print_by_label(result: Backtest) -> None:
    """Show the labels of the events. Unlabelled ones may be either; no delay is known."""
    shown = table_of("against labels of events", "")
    for said, count in result.by_label.items():
        shown.add_row(said.replace("_", " "), f"{count} of {len(result.alarms)} events")
    lost = sum(each.delay is None for each in result.detections)
    if lost:
        shown.add_row("missed", f"{lost} of {len(result.detections)} confirmed events")
    console().print(shown)


def _minutes(nanoseconds: int) -> str:
    minutes = nanoseconds / NANOSECONDS["min"]
    return f"{minutes:.0f} min" if minutes >= 1 or not minutes else f"{minutes * 60:.0f} s"
