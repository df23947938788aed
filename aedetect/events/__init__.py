"""Flagged rows -> events, their descriptions, and the labels that users give them."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.events.formation import form_events
    from aedetect.events.formation_state import Formation
    from aedetect.events.grouping import EventRules
    from aedetect.events.labels import Label, label_events, read_labels
    from aedetect.events.table import Event, read_event_table

__all__ = [
    "Event",
    "EventRules",
    "Formation",
    "Label",
    "form_events",
    "label_events",
    "read_event_table",
    "read_labels",
]

__getattr__ = on_first_use(
    __name__,
    {
        "formation": ("form_events",),
        "formation_state": ("Formation",),
        "grouping": ("EventRules",),
        "labels": ("Label", "label_events", "read_labels"),
        "table": ("Event", "read_event_table"),
    },
)
