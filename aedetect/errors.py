"""The exception hierarchy.

Every message states what is needed, what was given, and the remedy.

    AedetectError
    ├── ConfigError           a setting is unknown, missing or invalid
    ├── DataError
    │   ├── NoData            no such file, or no usable rows in it
    │   ├── UnreadableFile    not Parquet, truncated, or corrupt
    │   ├── SchemaMismatch    a column is missing or has the wrong type
    │   └── TooFewRows        not enough rows to train or to calibrate
    ├── CalibrationRefused    the held-out rows cannot support the requested threshold
    ├── PromotionRefused      a version did not pass the gate
    ├── BrokenDetector        a saved detector that cannot be read
    ├── RegistryError         MLflow is unavailable or returned an error
    │   └── UnknownModel      no such model, version or alias
    ├── OutputError           the output folder is not writable or holds other files
    ├── DeliveryError         writing to the database failed
    ├── ServerError           no Prefect server could be reached or started
    ├── ClusterError          the cluster is unreachable, gave up, or a worker is unfit
    ├── UnknownDeployment     no deployment of that name
    └── RunFailed             a run that the caller waits for did not complete
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class AedetectError(Exception):
    """Base class of all aedetect errors."""


class ConfigError(AedetectError):
    """A setting is unknown, missing or invalid."""


class DataError(AedetectError):
    """The data cannot be used as they are."""


class NoData(DataError):
    """No such file, or no usable rows in it."""


class UnreadableFile(DataError):
    """Not Parquet, truncated, or corrupt.

    `reasons` maps file names to the fault of each, where known; `is_damaged` marks that reading
    them again gives the same.
    """

    def __init__(
        self, message: str, *, reasons: Mapping[str, str] | None = None, is_damaged: bool = False
    ) -> None:
        super().__init__(message)
        self.reasons = dict(reasons or {})
        self.damaged = set(self.reasons) if is_damaged else set[str]()


class SchemaMismatch(DataError):
    """A column is missing or has the wrong type."""


class TooFewRows(DataError):
    """Not enough rows to train or to calibrate."""


class CalibrationRefused(AedetectError):
    """The held-out rows cannot support the requested threshold."""


class PromotionRefused(AedetectError):
    """A version did not pass the gate."""


class BrokenDetector(AedetectError):
    """A saved detector that cannot be read."""


class RegistryError(AedetectError):
    """MLflow is unavailable or returned an error."""


class UnknownModel(RegistryError):
    """No such model, version or alias."""


class OutputError(AedetectError):
    """The output folder is not writable or holds other files."""


class DeliveryError(AedetectError):
    """Writing to the database failed. A later run delivers what is missing."""


class ServerError(AedetectError):
    """No Prefect server could be reached or started."""


class ClusterError(AedetectError):
    """The cluster is unreachable, gave up, or a worker is unfit: `[scoring] executor`."""


class UnknownDeployment(AedetectError):
    """No deployment of that name."""


class RunFailed(AedetectError):
    """A run that the caller waits for did not complete."""
