"""Tables that never break a word: the last column wraps, and rows too wide go on below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_APART = "  "
_INDENT = "    "
_LEAST = 24  # columns for the last cell beside the others


class PlainTable:
    """Rows of text under headings, for `Console.print`.

    The last column is wrapped between words. Where the others leave it no room, a row goes on in
    the next line, indented: nothing is cut off.
    """

    def __init__(self, headings: Sequence[str], *, right: bool = False) -> None:
        self._rows: list[tuple[str, ...]] = [tuple(headings)]
        self._right = right

    def add_row(self, *cells: str) -> None:
        """Add a row with a cell for each heading."""
        self._rows.append(tuple(" ".join(str(cell).split()) for cell in cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines for a width."""
        for place, line in enumerate(self.lines(options.max_width)):
            style = "bold" if place == 0 else ""
            yield Text(line, style=style, no_wrap=True, overflow="ignore", end="\n")

    def lines(self, width: int) -> Iterator[str]:
        """Yield the lines that a width gives.

        >>> table = PlainTable(["name", "text"])
        >>> table.add_row("power_kw", "constant: any change is anomalous")
        >>> print(*table.lines(36), sep=chr(10))
        name      text
        power_kw  constant: any change is
                  anomalous
        """
        widths = [max(map(cell_len, column)) for column in zip(*self._rows, strict=True)]
        fixed = sum(widths[:-1]) + len(_APART) * (len(widths) - 1)
        beside = width - fixed >= min(widths[-1], _LEAST)
        for row in self._rows:
            cells = [self._padded(*each) for each in zip(range(len(row)), row, widths, strict=True)]
            yield from _wrapped(cells, fixed, width) if beside else _flowing(cells, width)

    def _padded(self, place: int, cell: str, width: int) -> str:
        room = " " * (width - cell_len(cell))
        return room + cell if self._right and place else cell + room


def _wrapped(cells: Sequence[str], fixed: int, width: int) -> Iterator[str]:
    """Yield a row whose last cell is wrapped."""
    first = "".join(cell + _APART for cell in cells[:-1])
    last = cells[-1].rstrip()
    own = textwrap.wrap(
        last, max(width - fixed, 1), break_long_words=False, break_on_hyphens=False
    ) or [""]
    yield (first + (cells[-1].rstrip() if len(own) == 1 else own[0])).rstrip()
    for line in own[1:]:
        yield " " * fixed + line


def _flowing(cells: Sequence[str], width: int) -> Iterator[str]:
    """Yield a row that goes on in further lines, none of them wider than can be helped."""
    line = ""
    for place, cell in enumerate(cells):
        more = _APART if line.strip() else ""
        if line.strip() and cell_len(line + more + cell.rstrip()) > width:
            yield line.rstrip()
            line, more = _INDENT, ""
        line += more + cell
        if place == len(cells) - 1:
            yield from textwrap.wrap(
                line.rstrip(),
                max(width, 20),
                subsequent_indent=_INDENT,
                drop_whitespace=True,
                break_long_words=False,
                break_on_hyphens=False,
                replace_whitespace=False,
            ) or [""]
