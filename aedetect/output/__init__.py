"""The folders that a run writes: columns, partitions, footers; files are written whole."""

from aedetect.output.atomic import Origin, aside, locked, publish, written
from aedetect.output.catalog import list_files, read_origins
from aedetect.output.files import OutputFile
from aedetect.output.partitions import Partition

__all__ = [
    "Origin",
    "OutputFile",
    "Partition",
    "aside",
    "list_files",
    "locked",
    "publish",
    "read_origins",
    "written",
]
