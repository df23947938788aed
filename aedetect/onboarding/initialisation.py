"""The command `init`: files -> Parquet where needed, guesses, and a commented configuration."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.config import read_config
from aedetect.data import open_engine
from aedetect.errors import ConfigError, DataError
from aedetect.logs import log_event
from aedetect.onboarding.config_text import ConfigPlan, toml_text, training_end
from aedetect.onboarding.doubts import doubts_of
from aedetect.onboarding.findings import Found, look_closer
from aedetect.onboarding.layout import Arrangement, arrange
from aedetect.onboarding.places import Places, data_folder, place_data
from aedetect.onboarding.raw_files import find_raw_files
from aedetect.onboarding.remembered import OPTIONS, remember, remembered
from aedetect.onboarding.roles import Guess, Looker, Roles
from aedetect.onboarding.sources import Sources, open_sources
from aedetect.output import written

if TYPE_CHECKING:
    import duckdb

    from aedetect.onboarding.date_order import DateOrder

logger = logging.getLogger(__name__)

MEMORY_MB = 500
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class InitRequest:
    """What the caller decides: where to write, and columns that need no guess."""

    to: Path
    timestamp: str | None = None
    entity: str | None = None
    label: str | None = None
    dates: DateOrder | None = None  # where the data cannot tell what comes first
    force: bool = False  # write over a configuration and its converted data
    data_only: bool = False  # convert again, and leave the configuration as it is


@dataclass(frozen=True, kw_only=True)
class Initialised:
    """What was found and written."""

    config: Path
    sources: Sources
    arrangement: Arrangement
    places: Places
    time: tuple[str, str]  # name, and how it is written
    roles: Roles
    found: Found
    until: Any  # datetime | None: rows before it are trained on
    doubts: tuple[str, ...]  # what to check, a sentence each


def initialise(locations: Sequence[Path], asked: InitRequest, scratch: Path) -> Initialised:
    """Look at files and write a configuration for them.

    Raises NoData, UnreadableFile or SchemaMismatch for data that cannot become a table, ConfigError
    when the configuration exists.
    """
    _check_target(asked)
    if asked.data_only:
        asked = replace(asked, **(remembered(data_folder(asked.to)) | _options(asked)))
    name = detector_name(asked.to)
    files = find_raw_files(locations, scratch)
    with open_engine(memory_mb=MEMORY_MB, threads=2, scratch=scratch) as connection:
        connection.execute("SET preserve_insertion_order = true")
        log_event(logger, "step", text=f"reading {len(files):,} files")
        sources = open_sources(connection, files, timestamp=asked.timestamp, dates=asked.dates)
        arrangement = arrange(sources.tables)
        places = place_data(
            connection,
            sources,
            arrangement,
            locations=locations,
            to=asked.to,
            force=asked.force or asked.data_only,
        )
        log_event(logger, "step", text="looking at the columns")
        roles, aware = _roles(connection, places, asked)
    until = None if places.input != places.train else training_end(roles)
    plan = ConfigPlan(
        name=name,
        train=places.train,
        input=places.input,
        until=until,
        maintenance=places.maintenance,
    )
    time = (places.time, arrangement.tables[0].how)
    found = look_closer(
        _training(places, roles, until), asked.to.resolve().parent, scratch, aware=aware
    )
    if places.folder is not None:
        remember(_options(asked), places.folder)
    if not asked.data_only:
        with written(asked.to.parent):
            asked.to.parent.mkdir(parents=True, exist_ok=True)
            asked.to.write_text(toml_text(plan, time, roles, found), encoding="utf-8")
        read_config(asked.to)  # what was written can be read
    return Initialised(
        config=asked.to,
        sources=sources,
        arrangement=arrangement,
        places=places,
        time=time,
        roles=roles,
        found=found,
        until=until,
        doubts=tuple(doubts_of(sources, arrangement, places, roles, found)),
    )


def _options(asked: InitRequest) -> dict[str, Any]:
    """Return what the caller decided about the columns."""
    given = {name: getattr(asked, name) for name in OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


def default_config(locations: Sequence[Path]) -> Path:
    """Return the name of the configuration for some data, in the working folder.

    >>> default_config([Path("data/Pump Station 4/")])
    PosixPath('Pump-Station-4.toml')
    """
    first = locations[0]
    stem = first.resolve().name
    while (suffix := Path(stem).suffix) and not first.is_dir():
        stem = stem.removesuffix(suffix)
    return Path(f"{_UNSAFE.sub('-', stem).strip('-._') or 'detector'}.toml")


def detector_name(config: Path) -> str:
    """Return the name of a detector for the name of its file.

    >>> detector_name(Path("conf/pump 4.toml"))
    'pump-4'
    """
    return _UNSAFE.sub("-", config.stem).strip("-._") or "detector"


def _check_target(asked: InitRequest) -> None:
    """Raise ConfigError when a configuration would be lost, or none is there to be left alone."""
    if asked.data_only and not asked.to.exists():
        raise ConfigError(f"--data-only needs a configuration, but {asked.to} is not there")
    if asked.to.exists() and not (asked.force or asked.data_only):
        raise ConfigError(
            f"{asked.to} exists: name another file with --to, write over it with --force, or "
            "convert new files with --data-only"
        )


def _roles(
    connection: duckdb.DuckDBPyConnection, places: Places, asked: InitRequest
) -> tuple[Roles, bool]:
    """Guess the roles of the columns in the files that are trained on; also whether zoned."""
    looker = Looker(connection, places.sample, places.time)
    roles = looker.roles(entity=asked.entity or places.entity, label=asked.label or places.label)
    if asked.entity is None and places.entity is not None:
        roles = replace(roles, entity=Guess(places.entity, "the name of the file or folder"))
    if asked.label is None and places.label is not None:
        roles = replace(roles, label=Guess(places.label, "from the intervals of the labels"))
    if roles.label.value is None and places.scored:
        other = Looker(connection, places.scored, places.time).roles().label
        roles = replace(roles, label=replace(other, why=f"{other.why} in what is scored"))
    if not roles.rows:
        raise DataError(f'no row has a timestamp in "{places.time}": name it with --timestamp')
    return roles, roles.first.tzinfo is not None


def _training(places: Places, roles: Roles, until: Any) -> dict[str, Any]:
    """Return `[data]` for a look by the code that trains."""
    data: dict[str, Any] = {"train": list(map(str, places.sample)), "timestamp": places.time}
    if roles.entity.value:
        data["entity"] = roles.entity.value
    if roles.label.value:
        data["label"] = roles.label.value
    conditions = [state.normal for state in roles.states if state.faulty]
    if until is not None:
        column = '"' + places.time.replace('"', '""') + '"'
        conditions.append(f"{column} < '{until:%Y-%m-%d %H:%M}'")
    if conditions:
        data["normal"] = " AND ".join(conditions)
    return data
