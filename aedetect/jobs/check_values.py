"""The command `check` for `[detector] by`: which values, how many rows each, which are too few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.config import of_value
from aedetect.errors import NoData
from aedetect.jobs.check import Checked, check_data
from aedetect.jobs.division import Divided, divide_input, divide_training
from aedetect.jobs.findings import Finding, Grade, by_grade, worst_grade

if TYPE_CHECKING:
    from aedetect.config import Config

_SMALL_TRIED = 30  # values with the fewest rows that are checked in full
_ENOUGH = 3  # of them in turn that can be trained: all others have more rows


@dataclass(frozen=True, kw_only=True)
class ValueRows:
    """The rows and files of one value."""

    value: str
    detector: str
    rows: int
    files: int
    input_rows: int


@dataclass(frozen=True, kw_only=True)
class CheckedValues:
    """The report of all values, and in full that of the value with the most rows."""

    grade: Grade
    findings: tuple[Finding, ...]
    values: tuple[ValueRows, ...]
    largest: str
    checked: Checked


def check_values_data(config: Config, scratch: Path) -> CheckedValues:
    """Check the data of all values by counts, and those that may be too few as training does.

    Raises NoData when there is no value at all.
    """
    by = config.detector.by
    train, scored = divide_training(config), _input(config)
    if not train.rows:
        raise NoData(
            f"no row of [data] train has a {by}: name another column in [detector] by"
            + "".join(f"; {note}" for note in train.notes[:1])
        )
    order = sorted(train.rows, key=lambda value: train.rows[value])
    findings = [Finding("look", "train", "data", note) for note in train.notes]
    findings += [Finding("look", "train", *each) for each in _small(config, order, scratch)]
    if scored is not None:
        findings += [Finding("look", "input", "data", note) for note in scored.notes]
        for value in scored.rows.keys() - train.rows.keys():
            text = f"{scored.rows[value]:,} rows to score, and none to train on: not scored"
            findings.append(Finding("look", "input", value, text))
    checked = _checked(of_value(config, order[-1]), scratch / "largest")
    listed = by_grade(findings)
    return CheckedValues(
        grade=worst_grade((*listed, *checked.findings)),
        findings=listed,
        values=tuple(
            ValueRows(
                value=value,
                detector=of_value(config, value).name,
                rows=rows,
                files=train.files[value],
                input_rows=0 if scored is None else scored.rows.get(value, 0),
            )
            for value, rows in train.rows.items()
        ),
        largest=order[-1],
        checked=checked,
    )


def _input(config: Config) -> Divided | None:
    return divide_input(config) if config.scoring.input else None


def _small(config: Config, order: list[str], scratch: Path) -> Iterator[tuple[str, str]]:
    """Yield the values that training refuses, the fewest rows first, and why."""
    enough = 0
    for number, value in enumerate(order[:_SMALL_TRIED]):
        own = of_value(config, value)
        alone = replace(own, scoring=replace(own.scoring, input=None, executor="local"))
        refused = [
            each.text
            for each in _checked(alone, scratch / str(number)).findings
            if each.grade == "refuse"
        ]
        enough = 0 if refused else enough + 1
        if refused:
            yield value, f"training refuses it: {refused[0]}"
        if enough == _ENOUGH:
            return


def _checked(config: Config, scratch: Path) -> Checked:
    scratch.mkdir(parents=True)
    return check_data(config, scratch)
