"""The folders that a run writes: columns, partitions, footers; files are written whole."""

from aedetect.output.atomic import Origin, aside, locked, publish, written
from aedetect.output.catalog import list_partitions, read_origins
from aedetect.output.partitions import Partition

__all__ = [
    "Origin",
    "Partition",
    "aside",
    "list_partitions",
    "locked",
    "publish",
    "read_origins",
    "written",
]
