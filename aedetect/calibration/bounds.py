"""The time and the rows for which what is left out of a renewal may not break the promise far."""

from aedetect.timestamps import NANOSECONDS

RECENT = 2 * NANOSECONDS["d"]  # ns, the last days
FEWEST = 5.0  # rows that may be beyond it in that time, for which rows must be enough
