"""Synchronize a SQL database with the files of events and flagged rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.delivery.connection import connect, transaction, upsert
from aedetect.delivery.dashboard_rows import sync_dashboard_rows
from aedetect.delivery.output_files import output_fingerprint, read_batches
from aedetect.delivery.tables import (
    EVENTS,
    PARTITIONS,
    TIME,
    create,
    make_tables,
    table_columns,
    times_of,
)
from aedetect.logs import log_event
from aedetect.output import OutputFile, list_files
from aedetect.output.partitions import FLAGGED

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from aedetect.delivery.settings import DatabaseSettings

logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Synced:
    """The result of a synchronization: partitions written and withdrawn, and rows."""

    partitions: int
    withdrawn: int
    rows: int


def sync(output: Path, *, detector: str, url: str, settings: DatabaseSettings) -> Synced:
    """Synchronize the tables with the files of an output, partition by partition.

    Each partition is one transaction, which also stores the fingerprint of its file; partitions
    with the same fingerprint are skipped. So it may be killed, repeated and run concurrently.
    Raises DeliveryError when the database is unavailable, ConfigError when it can never be used.
    """
    metadata, tables = make_tables(settings)
    written = withdrawn = count = 0
    with connect(url) as connection:
        create(connection, metadata, tables)
        for kind in (EVENTS, FLAGGED):
            if not (output / kind).is_dir():
                continue  # the disk may not be mounted: withdraw nothing
            files = list_files(output, kind)
            target = _Target(connection, tables, detector, kind)
            stored = target.stored()
            # First: if days became hours, the rows of a day belong to its hours.
            for folder in sorted(stored.keys() - {file.partition.folder for file in files}):
                target.withdraw(folder, stored[folder])
                withdrawn += 1
            for file in files:
                added = target.replace(file, stored.get(file.partition.folder))
                written, count = written + (added is not None), count + (added or 0)
        sync_dashboard_rows(connection, tables, output, detector=detector)
    log_event(logger, "database", partitions=written, withdrawn=withdrawn, rows=count)
    return Synced(partitions=written, withdrawn=withdrawn, rows=count)


@dataclass(frozen=True)
class _Target:
    """The rows of one detector in one table, and the fingerprints of its files."""

    connection: Connection
    tables: Mapping[str, Table]
    detector: str
    kind: str

    @property
    def table(self) -> Table:
        return self.tables[self.kind]

    def stored(self) -> dict[str, str]:
        """Return the fingerprints of synchronized files, by partition folder."""
        from sqlalchemy import select

        notes = self.tables[PARTITIONS].c
        query = select(notes.partition, notes.fingerprint).where(
            notes.detector == self.detector, notes.kind == self.kind
        )
        with self.connection.begin():
            return {row.partition: row.fingerprint for row in self.connection.execute(query)}

    def replace(self, file: OutputFile, stored: str | None) -> int | None:
        """Write the rows of a file; return their number, None if it is already synchronized.

        It is hashed and read through one handle: a file that replaces it meanwhile is synchronized
        by the next run.
        """
        with file.path.open("rb") as stream:
            found = output_fingerprint(stream)
            if found == stored:
                return None
            columns, times = table_columns(self.kind), times_of(self.kind)
            count = 0
            with transaction(self.connection):
                self._store_fingerprint(file.partition.folder, found)
                for batch in read_batches(stream, columns=columns, times=times, name=file.path):
                    own = {"detector": self.detector, "synced": found}
                    upsert(self.connection, self.table, [row | own for row in batch])
                    count += len(batch)
                self._delete(file, keep=found)
        return count

    def withdraw(self, folder: str, stored: str) -> None:
        """Remove the rows of a partition whose file, of a fingerprint, is gone."""
        notes = self.tables[PARTITIONS]
        gone = self.table.c
        with transaction(self.connection):
            self.connection.execute(
                notes.delete().where(
                    notes.c.detector == self.detector,
                    notes.c.kind == self.kind,
                    notes.c.partition == folder,
                )
            )
            own = (gone.detector == self.detector, gone.synced == stored)
            self.connection.execute(self.table.delete().where(*own))

    def _store_fingerprint(self, folder: str, found: str) -> None:
        """Store the fingerprint. Done first, so that a concurrent run waits here."""
        note = {"detector": self.detector, "kind": self.kind, "partition": folder}
        upsert(self.connection, self.tables[PARTITIONS], [note | {"fingerprint": found}])

    def _delete(self, file: OutputFile, *, keep: str) -> None:
        """Remove the rows in the time of a partition that are not from the file to keep."""
        columns = self.table.c
        time = columns[TIME[self.kind]]
        start, end = file.partition.bounds(file.clock(TIME[self.kind]))
        gone = self.table.delete().where(
            columns.detector == self.detector,
            time >= _EPOCH + timedelta(microseconds=start // 1_000),
            time < _EPOCH + timedelta(microseconds=end // 1_000),
            columns.synced != keep,
        )
        self.connection.execute(gone)
