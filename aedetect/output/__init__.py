"""The output folders of a run: columns, partitions and footers. Files are written atomically."""

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
