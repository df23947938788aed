"""Tags of versions and of registered models, for what a later run has to know."""

from __future__ import annotations

from collections.abc import Mapping

from aedetect.registry.publish import read_version
from aedetect.registry.records import Registered
from aedetect.registry.session import is_absent, open_client
from aedetect.registry.sqlite_reader import ask_sqlite


def set_version_tags(
    registered: Registered, tags: Mapping[str, str], *, tracking_uri: str
) -> Registered:
    """Set tags of a version; return its current state."""
    with open_client(tracking_uri) as client:
        for key, value in tags.items():
            client.set_model_version_tag(registered.name, str(registered.version), key, value)
        return read_version(client, name=registered.name, version=str(registered.version))


def set_model_tag(name: str, key: str, value: str, *, tracking_uri: str) -> None:
    """Set a tag of a registered model."""
    with open_client(tracking_uri) as client:
        client.set_registered_model_tag(name, key, value)


def read_model_tags(name: str, *, tracking_uri: str) -> Mapping[str, str]:
    """Return the tags of a registered model; none when it does not exist."""
    if is_absent(tracking_uri):
        return {}
    known = ask_sqlite(tracking_uri, lambda reader: reader.model_tags(name))
    if known is not None:
        return known
    from mlflow.exceptions import MlflowException

    with open_client(tracking_uri) as client:
        try:
            tags: dict[str, str] = client.get_registered_model(name).tags
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return tags
