"""Choose the version that scores, and read who chose it: each choice is in the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aedetect.errors import RegistryError, UnknownModel
from aedetect.registry.history import (
    Decision,
    Promotion,
    champions_of,
    forced_promotion,
    history_of,
    record_promotion,
)
from aedetect.registry.publish import read_version
from aedetect.registry.records import CHAMPION, Registered
from aedetect.registry.session import is_absent, open_client
from aedetect.registry.tags import read_model_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient


def promote_version(
    registered: Registered, *, tracking_uri: str, decision: Decision | None = None
) -> Registered:
    """Make a version the champion; return the champion, which another promotion may have changed.

    A version that is the champion already is not promoted again.
    """
    name = registered.name
    with open_client(tracking_uri) as client:
        if _champion(client, name) == registered.version:
            return read_version(client, name=name, version=str(registered.version))
        made = record_promotion(
            client, name=name, version=registered.version, decision=decision or Decision()
        )
        return read_version(client, name=name, version=str(made.version))


def rollback_version(name: str, *, tracking_uri: str, decision: Decision) -> Promotion:
    """Make the champion before the present one the champion again; return the new entry.

    Versions that were deleted are passed over, and those that were promoted by force, unless there
    are no others: what was better than one of them is no evidence for it. Raises UnknownModel when
    there is no champion, and RegistryError when there is none before it.
    """
    from mlflow.exceptions import MlflowException

    if is_absent(tracking_uri):
        raise UnknownModel(_none_registered(name))
    with open_client(tracking_uri) as client:
        try:
            tags, champion = client.get_registered_model(name).tags, _champion(client, name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UnknownModel(_none_registered(name)) from error
        if champion is None:
            raise UnknownModel(_none_registered(name))
        history = history_of(tags)
        line = reversed(champions_of(history, champion))
        earlier = [each for each in line if each != champion and _exists(client, name, each)]
        chosen = [each for each in earlier if forced_promotion(history, each) is None]
        target = next(iter([*chosen, *earlier]), None)
        if target is None:
            raise RegistryError(
                f"a rollback needs a champion before {name}/{champion}, but the history has none: "
                "`aedetect models CONFIG` lists the versions, and `aedetect promote CONFIG "
                "VERSION` promotes any of them"
            )
        return record_promotion(client, name=name, version=target, decision=decision)


def read_promotions(name: str, *, tracking_uri: str) -> list[Promotion]:
    """Return the promotions of a detector, the oldest first; none when it is not registered."""
    return history_of(read_model_tags(name, tracking_uri=tracking_uri))


def _champion(client: MlflowClient, name: str) -> int | None:
    alias = client.get_registered_model(name).aliases.get(CHAMPION)
    return None if alias is None else int(alias)


def _exists(client: MlflowClient, name: str, version: int) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_model_version(name, str(version))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def _none_registered(name: str) -> str:
    return f"a rollback needs a champion, but {name} has none: run `aedetect train CONFIG`"
