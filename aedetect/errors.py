"""What can go wrong, as a tree.

Every message says what is needed, what came, and what to do about it.

    AedetectError
    ├── ConfigError           a setting is unknown, missing or impossible
    ├── DataError
    │   ├── NoData            no such file, or nothing in it to work on
    │   ├── UnreadableFile    not Parquet, truncated, or corrupt
    │   ├── SchemaMismatch    a column is missing or has another type than is needed
    │   └── TooFewRows        not enough rows to learn or to promise anything
    ├── CalibrationRefused    the held-out rows cannot support the threshold that was asked for
    ├── BrokenDetector        a saved detector that cannot be read
    ├── RegistryError         MLflow did not answer as it should
    │   └── UnknownModel      no such model, version or alias
    ├── OutputError           the output folder cannot be written or holds something else
    ├── DeliveryError         the database did not take what was written
    ├── ServerError           no Prefect server could be reached or started
    ├── UnknownDeployment     nothing of that name is served or deployed
    └── RunFailed             a run that was waited for did not complete
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class AedetectError(Exception):
    """Base of everything that aedetect raises on purpose."""


class ConfigError(AedetectError):
    """A setting is unknown, missing or impossible."""


class DataError(AedetectError):
    """The data cannot be used as they are."""


class NoData(DataError):
    """No such file, or nothing in it to work on."""


class UnreadableFile(DataError):
    """Not Parquet, truncated, or corrupt.

    Says in `reasons` what is wrong with each file, by name, where that is known.
    """

    def __init__(self, message: str, *, reasons: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.reasons = dict(reasons or {})


class SchemaMismatch(DataError):
    """A column is missing or has another type than is needed."""


class TooFewRows(DataError):
    """Not enough rows to learn or to promise anything."""


class CalibrationRefused(AedetectError):
    """The held-out rows cannot support the threshold that was asked for."""


class BrokenDetector(AedetectError):
    """A saved detector that cannot be read."""


class RegistryError(AedetectError):
    """MLflow did not answer as it should."""


class UnknownModel(RegistryError):
    """No such model, version or alias."""


class OutputError(AedetectError):
    """The output folder cannot be written or holds something else."""


class DeliveryError(AedetectError):
    """The database did not take what was written. Passes when it is back."""


class ServerError(AedetectError):
    """No Prefect server could be reached or started."""


class UnknownDeployment(AedetectError):
    """Nothing of that name is served or deployed."""


class RunFailed(AedetectError):
    """A run that was waited for did not complete."""
