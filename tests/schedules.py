"""Detectors that run on schedules."""

from __future__ import annotations

from plant import settings, write_config

MORNING = "15 6 * * *"
NIGHT = "0 3 * * sun"


def written(folder, name="pump", *, scoring=None, training=None):
    """Write the configuration of a detector with schedules."""
    given = settings(detector={"name": name}, scoring=scoring or {}, training=training or {})
    return write_config(folder / f"{name}.toml", given)
