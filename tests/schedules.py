"""Detectors that run on schedules."""

from __future__ import annotations

from plant import settings, write_config

MORNING = "15 6 * * *"
NIGHT = "0 3 * * sun"


def written(folder, name="pump", *, scoring=None, training=None, data=None):
    """Write the configuration of a detector with schedules."""
    sections = {"scoring": scoring, "training": training, "data": data}
    given = settings(detector={"name": name}, **{key: keys or {} for key, keys in sections.items()})
    return write_config(folder / f"{name}.toml", given)
