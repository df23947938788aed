"""`[detector] by`: one detector for each value of a column, and the configuration of each."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from aedetect.errors import ConfigError
from aedetect.output.filesystem import is_remote

if TYPE_CHECKING:
    from pathlib import Path

    from aedetect.config.config import Config

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_OTHER = re.compile(r"[^A-Za-z0-9_.-]+")
_DIVIDED = "_values"  # hidden from whoever reads the output as a table
_DIGEST = 4  # bytes


def value_key(value: str) -> str:
    """Return a value as part of the name of a model and of a folder; no two values share one.

    >>> value_key("east"), value_key("Halle 3/b")
    ('east', 'Halle_3_b-d196813b')
    """
    if _PLAIN.fullmatch(value):
        return value
    digest = hashlib.blake2b(value.encode(), digest_size=_DIGEST).hexdigest()
    return f"{_OTHER.sub('_', value).strip('._-')[:48] or 'value'}-{digest}"


def divided_folder(config: Config) -> Path:
    """Return the folder of the input divided by value. Raises ConfigError for object storage."""
    if is_remote(config.output):
        raise ConfigError(
            "[detector] by needs [scoring] output on a disk, where the input is divided by value, "
            f"got {config.output}: name a folder"
        )
    return config.output / _DIVIDED


def of_value(config: Config, value: str, *, whole: Config | None = None) -> Config:
    """Return the configuration of the detector of one value.

    It reads the files of this value in the divided input, and writes into a folder of its own,
    named such that readers of Hive partitions see the column.
    """
    by = config.detector.by
    assert by is not None
    key, divided = value_key(value), divided_folder(config)
    same = config.scoring.input and config.train == config.input
    data = replace(
        config.data,
        train=str(divided / ("input" if same else "train") / key),
        entity=config.data.entity or by,
        exclude=config.data.exclude if config.data.entity in {None, by} else _with(by, config),
    )
    scoring = replace(
        config.scoring,
        input=str(divided / "input" / key) if config.scoring.input else None,
        output=str(config.output / f"{by}={quote(value, safe='')}"),
    )
    to = config.report_folder
    return replace(
        config,
        detector=replace(config.detector, name=f"{config.name}-{key}", by=None, only=value),
        data=data,
        scoring=scoring,
        report=replace(config.report, to=None if to is None else str(to / key)),
        whole=whole,
    )


def _with(by: str, config: Config) -> tuple[str, ...]:
    """Return the columns to leave out, with that of the values: it is the same in all rows."""
    return tuple(dict.fromkeys((*config.data.exclude, by)))


def check_single(config: Config) -> Config:
    """Return the configuration of a single detector; raise ConfigError for one of several."""
    by = config.detector.by
    if by is None:
        return config
    raise ConfigError(
        f'[detector] by = "{by}" makes a detector for each value of {by}, and this takes one of '
        "them: name it, as --set detector.only=VALUE; `aedetect models CONFIG` lists them"
    )
