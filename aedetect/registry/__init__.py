"""The only package that uses MLflow: runs, model versions and their artifacts."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.registry.calibrations import add_calibration
    from aedetect.registry.lookup import fetch_version, find_version, list_versions, read_run_text
    from aedetect.registry.nested_runs import log_nested
    from aedetect.registry.promotions import promote_version
    from aedetect.registry.publish import register_version
    from aedetect.registry.records import Registered

__all__ = [
    "Registered",
    "add_calibration",
    "fetch_version",
    "find_version",
    "list_versions",
    "log_nested",
    "promote_version",
    "read_run_text",
    "register_version",
]

__getattr__ = on_first_use(
    __name__,
    {
        "calibrations": ("add_calibration",),
        "lookup": ("fetch_version", "find_version", "list_versions", "read_run_text"),
        "nested_runs": ("log_nested",),
        "promotions": ("promote_version",),
        "publish": ("register_version",),
        "records": ("Registered",),
    },
)
