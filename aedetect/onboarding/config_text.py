"""A commented TOML file: the keys that matter, what was found for each, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.onboarding.findings import Found
    from aedetect.onboarding.roles import Roles, State

_WIDTH = 40  # of key and value, before the comment
_NAMED = 6


@dataclass(frozen=True, kw_only=True)
class ConfigPlan:
    """What is trained on and scored; paths are relative to the configuration."""

    name: str
    train: str
    input: str
    until: datetime | None  # rows before it are trained on; None: all
    maintenance: tuple[str, ...] = ()


def toml_text(plan: ConfigPlan, time: tuple[str, str], roles: Roles, found: Found) -> str:
    """Return the text of the configuration."""
    lines = [
        "# Written by `aedetect init` from what it found in the data. Read it, correct it, then:",
        f"#   aedetect check {plan.name}.toml",
        "",
        "[detector]",
        _line("name", plan.name, "of the registered model"),
        "",
        "[data]",
        _line(
            "train", plan.train, f"{roles.rows:,} rows, {_day(roles.first)} to {_day(roles.last)}"
        ),
        _line("timestamp", time[0], time[1]),
        _guess("entity", roles.entity.value, roles.entity.why, example="machine"),
        *_rest(plan, time[0], roles, found),
        "",
        "[calibration]",
        _off("alert_budget", "1 per week", "false alarms to live with; else 1 per day per entity"),
        _line("renew", "1d", 'thresholds follow the scores of the last days; "never": they stay'),
        "",
        "[scoring]",
        _line("input", plan.input, "where new files arrive; a run takes what is new or changed"),
        _off("schedule", "*/15 * * * *", "cron, for `aedetect schedule`"),
    ]
    if plan.maintenance:
        lines += [
            "",
            "[events]",
            _line("maintenance", plan.maintenance, "rows in it are not judged"),
        ]
    return "\n".join(lines) + "\n"


def training_end(roles: Roles) -> datetime | None:
    """Return the moment up to which to train, a day or an hour; None for a short history.

    Three quarters of the time are learnt from, so that a first scoring run has rows that the
    detector never saw.
    """
    first, last = roles.first, roles.last
    span = last - first
    if span < timedelta(hours=8):
        return None
    cut: datetime = first + 0.75 * span
    whole = {"minute": 0, "second": 0, "microsecond": 0}
    if span > timedelta(days=8):
        whole["hour"] = 0
    rounded = cut.replace(**whole)  # type: ignore[arg-type]
    return rounded if rounded > first else None


def _rest(plan: ConfigPlan, time: str, roles: Roles, found: Found) -> Iterable[str]:
    """Yield the other keys of [data]."""
    yield _guess("label", roles.label.value, roles.label.why, example="is_anomaly")
    conditions, why = _conditions(plan, time, roles.states)
    if conditions:
        yield _line("normal", " AND ".join(conditions), "; ".join(why))
    for state in roles.states:
        if not state.faulty:
            shares = list_some((f"{v} {s:.0%}" for v, s in state.shares), most=_NAMED)
            yield _off("normal", state.normal, f"{state.name}: {shares}; to train on one state")
    if found.aware:
        yield _off(
            "timezone", "Europe/Berlin", "days and hours are UTC; name the zone of the plant"
        )
    else:
        yield "# no zone in the timestamps: days and hours are as they stand in the files"
    yield _off("frequency", found.period, f"found: {found.sampling}")
    for columns, text in (
        (found.counters, "only grows: its increase is learnt ([data] counters)"),
        (found.row_numbers, "grows by the same in nearly every row: left out ([data] counters)"),
        (found.fill_values, "taken as missing ([data] fill_values)"),
    ):
        if columns:
            yield f"# {list_some(columns, most=_NAMED)}: {text}"
    for columns, text in (
        (found.constants, "constant so far: any change is an anomaly"),
        (found.categories, "text: a value that was never seen is an anomaly"),
        (found.left_out, ""),
    ):
        for part in columns[:_NAMED] if not text else [list_some(columns, most=_NAMED)]:
            if part:
                yield f"# {part}{': ' if text else ''}{text}"
    yield _off("exclude", ["status_by_hand"], "columns that people set, or that follow from others")


def _conditions(
    plan: ConfigPlan, time: str, states: Sequence[State]
) -> tuple[list[str], list[str]]:
    conditions, why = [], []
    for state in states:
        if state.faulty:
            conditions.append(state.normal)
            why.append(f"{state.name} names faults")
    if plan.until is not None:
        column = (
            time if re.fullmatch(r"[A-Za-z_]\w*", time) else '"' + time.replace('"', '""') + '"'
        )
        conditions.append(f"{column} < '{plan.until:%Y-%m-%d %H:%M}'")
        why.append("later rows stay unseen, to judge the detector by: remove it in the end")
    return conditions, why


def _line(key: str, value: object, why: str) -> str:
    text = f"{key} = {json.dumps(value, ensure_ascii=False)}"
    return f"{text.ljust(_WIDTH)}  # {_one_line(why)}"


def _off(key: str, value: object, why: str) -> str:
    """Return a key that is commented out."""
    return _line(f"# {key}", value, why)


def _guess(key: str, value: str | None, why: str, *, example: str) -> str:
    return _off(key, example, why) if value is None else _line(key, value, why)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _day(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
