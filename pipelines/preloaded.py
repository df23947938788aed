"""What a scheduled run imports, imported once: see `pipelines.warm`.

Importing starts no threads but those of allocator and linear algebra, which expect to be forked.
"""

from __future__ import annotations

from importlib import import_module

from aedetect.quick_start import own_process, unsearched

# Also what a run imports only when it gets there; a name that is no longer there is passed over.
_NAMES = (
    "anyio._backends._asyncio",
    "fastapi",
    "pandas",
    "prefect.concurrency.services",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "pyarrow.dataset",
    "safetensors.torch",
    "scipy.special",
    "torch",
    "aedetect.detector.calibrated_scorer",
    "aedetect.models.variants",
    "pipelines.scoring",
    "pipelines.training",
)


def _import_all() -> None:
    own_process()
    with unsearched():  # what is not searched is not written to either: its pages stay shared
        for name in _NAMES:
            try:
                import_module(name)
            except ImportError:
                continue


_import_all()
