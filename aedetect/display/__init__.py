"""What notebooks show of detectors, events and reports: HTML without scripts, styles or network.

Notebooks clean the HTML of untrusted ones: what is shown here needs inline styles and SVG only.
Every text goes through escaping; nothing is markup.
"""

from aedetect.display.detector_view import detector_html
from aedetect.display.event_table import Events
from aedetect.display.report_view import Report

__all__ = ["Events", "Report", "detector_html"]
