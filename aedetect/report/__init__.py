"""One page of a time range: what was found, beside the promise, as one HTML file without network.

`read_page` reads the output folders; what else a page shows comes with `PageFacts`. `write_page`
writes one file of at most a megabyte, whatever the number of rows: lines have a fixed number of
points, and only some events have lines.
"""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.report.facts import PageFacts
    from aedetect.report.html import write_page
    from aedetect.report.page import read_page

__all__ = ["PageFacts", "read_page", "write_page"]

__getattr__ = on_first_use(
    __name__,
    {
        "facts": ("PageFacts",),
        "html": ("write_page",),
        "page": ("read_page",),
    },
)
