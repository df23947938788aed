"""The only place that speaks MLflow: a training is a run, its detector the next version of a model.

    records.py   what goes in and what comes out
    session.py   one registry, quiet, with MLflow's errors turned into ours
    publish.py   register, promote
    nested.py    runs below one parent, without models
    lookup.py    find, fetch, versions, what a run keeps
    pyfunc.py    the detector folder as an MLflow pyfunc
    served.py    what such a pyfunc runs

MLflow takes 1.3 s and 190 MB to import, so every function imports what it needs of it.
"""

from aedetect.registry.lookup import fetch, find, read_text, versions
from aedetect.registry.nested import log_nested
from aedetect.registry.publish import promote, register
from aedetect.registry.records import (
    CHALLENGER,
    CHAMPION,
    ColumnKind,
    Registered,
    RegistrySettings,
    RunRecord,
    TrainingRecord,
)

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "ColumnKind",
    "Registered",
    "RegistrySettings",
    "RunRecord",
    "TrainingRecord",
    "fetch",
    "find",
    "log_nested",
    "promote",
    "read_text",
    "register",
    "versions",
]
