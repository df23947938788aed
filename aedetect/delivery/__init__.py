"""Delivery of events and flagged rows to a SQL database, and of notifications to receivers."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.delivery.alerts import send_alerts
    from aedetect.delivery.connection import check_url
    from aedetect.delivery.database import sync
    from aedetect.delivery.notify import send_events
    from aedetect.delivery.senders import receivers

__all__ = [
    "check_url",
    "receivers",
    "send_alerts",
    "send_events",
    "sync",
]

__getattr__ = on_first_use(
    __name__,
    {
        "alerts": ("send_alerts",),
        "connection": ("check_url",),
        "database": ("sync",),
        "notify": ("send_events",),
        "senders": ("receivers",),
    },
)
