"""The output folders of a run: columns, partitions and footers. Files are written atomically."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.output.atomic import Origin, locked, publish, written
    from aedetect.output.catalog import list_files, read_origins
    from aedetect.output.files import OutputFile
    from aedetect.output.partitions import Partition
    from aedetect.output.scratch import aside

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

__getattr__ = on_first_use(
    __name__,
    {
        "atomic": ("Origin", "locked", "publish", "written"),
        "catalog": ("list_files", "read_origins"),
        "files": ("OutputFile",),
        "partitions": ("Partition",),
        "scratch": ("aside",),
    },
)
