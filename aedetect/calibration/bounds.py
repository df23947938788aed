"""How far what is left out of a renewal may break the promise: of weeks, and of the last days."""

from aedetect.timestamps import NANOSECONDS

RECENT = 2 * NANOSECONDS["d"]  # ns, the last days
LENIENT = 2.0  # times what the rows of weeks are allowed, those of the last days
FEWEST = 5.0  # rows that may be beyond it in that time, for which rows must be enough
