"""The champions of many detectors, in one question to the registry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from aedetect.registry.records import CHAMPION, Registered, as_registered
from aedetect.registry.session import is_absent, open_client
from aedetect.registry.sqlite_reader import FoundVersion, ask_sqlite

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

_PAGE = 1_000  # models and versions in one answer


def find_champions(
    names: Collection[str], *, prefix: str, tracking_uri: str
) -> Mapping[str, FoundVersion]:
    """Return the champion of each detector that has one, and where its artifacts are.

    All names begin with the prefix. A SQLite registry is read in one transaction; another one is
    asked for the models and for the versions with that prefix, a thousand in an answer.
    """
    if is_absent(tracking_uri) or not names:
        return {}
    found = ask_sqlite(tracking_uri, lambda reader: reader.champions(prefix))
    if found is None:
        with open_client(tracking_uri) as client:
            found = list(_asked(client, prefix))
    wanted = set(names)
    return {each.registered.name: each for each in found if each.registered.name in wanted}


def _asked(client: MlflowClient, prefix: str) -> Iterator[FoundVersion]:
    """Yield the champions of all models with a prefix."""
    condition = f"name LIKE '{prefix}%'"
    champions = {
        model.name: str(model.aliases[CHAMPION])
        for model in _models(client, condition)
        if CHAMPION in model.aliases
    }
    token: str | None = None
    while token != "":
        page = client.search_model_versions(condition, max_results=_PAGE, page_token=token)
        for version in page:
            if champions.get(version.name) == str(version.version):
                registered: Registered = as_registered(version, aliases=(CHAMPION,))
                yield FoundVersion(registered, version.source or "")
        token = page.token or ""


def _models(client: MlflowClient, condition: str) -> Iterator[RegisteredModel]:
    token: str | None = None
    while token != "":
        page = client.search_registered_models(condition, max_results=_PAGE, page_token=token)
        yield from page
        token = page.token or ""
