"""What there is of all values of `[detector] by` together: events, runs and detectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow.compute as pc

from aedetect import registry
from aedetect.config import of_value
from aedetect.errors import NoData
from aedetect.events import read_event_table
from aedetect.events.table import join_events, read_withdrawn
from aedetect.registry.records import CHAMPION
from aedetect.scoring.run_log import read_runs

if TYPE_CHECKING:
    import pyarrow as pa

    from aedetect.config import Config
    from aedetect.output.partitions import Span


def written_values(config: Config) -> list[tuple[str, Config]]:
    """Return the values that have output, in order, and the configuration of each."""
    mark = f"{config.detector.by}="
    names = [each.name for each in config.output.iterdir()] if config.output.is_dir() else []
    values = [unquote(name.removeprefix(mark)) for name in names if name.startswith(mark)]
    return [(value, of_value(config, value)) for value in sorted(values)]


def outputs_of(config: Config) -> list[Config]:
    """Return the configurations with an output each: those of all values, or the one itself.

    Raises NoData when no value was scored yet.
    """
    if config.detector.by is None:
        return [config]
    found = [each for _, each in written_values(config)]
    if not found:
        raise NoData(
            f"there are no scores of any {config.detector.by} in {config.output}: run aedetect "
            "score first"
        )
    return found


def read_all_events(config: Config, span: Span, *, suppressed: bool) -> pa.Table:
    """Read the events of all outputs, the most anomalous first. Raises NoData without scores.

    Entities are named "VALUE/ENTITY" where those of two values may share a name.
    """
    tables, missing = [], None
    for each in outputs_of(config):
        try:
            found = read_event_table(
                each.output, since=span.since, until=span.until, suppressed=suppressed
            )
        except NoData as error:  # its first run failed
            missing = error
            continue
        tables.append(_named(found, config, each))
    if not tables and missing is not None:
        raise missing
    return tables[0] if len(tables) == 1 else join_events(tables)


def _named(events: pa.Table, config: Config, one: Config) -> pa.Table:
    """Return events with the value before the name of the entity, where that is another column."""
    if config.detector.by in {None, one.data.entity}:
        return events
    names = pc.binary_join_element_wise(str(one.detector.only), events["entity"], "/")
    return events.set_column(events.column_names.index("entity"), "entity", names)


def read_all_withdrawn(config: Config, span: Span) -> pa.Table | None:
    """Read the withdrawn events of all outputs; None when there never were any."""
    found = [
        (each, read_withdrawn(each.output, since=span.since, until=span.until))
        for each in outputs_of(config)
    ]
    tables = [_named(table, config, each) for each, table in found if table is not None]
    return join_events(tables) if tables else None


def read_all_runs(config: Config, *, limit: int) -> list[dict[str, Any]]:
    """Read the last runs of all outputs, the newest first."""
    if config.detector.by is None:
        return read_runs(config.output, limit=limit)
    listed = [
        run for _, each in written_values(config) for run in read_runs(each.output, limit=limit)
    ]
    return sorted(listed, key=lambda run: run["started"], reverse=True)[:limit]


def champions_of_values(config: Config) -> list[registry.Registered]:
    """Return the champions of the detectors of all values, by name."""
    versions = registry.list_versions(tracking_uri=config.tracking_uri)
    mine = [each for each in versions if each.name.startswith(f"{config.name}-")]
    champions = [each for each in mine if CHAMPION in each.aliases and "value" in each.tags]
    return sorted(champions, key=lambda each: each.name)
