"""Find model versions, and fetch the detector of a version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aedetect.errors import RegistryError, UnknownModel
from aedetect.output.scratch import temporary_folder
from aedetect.registry.artifact_places import beside_database, local_folder
from aedetect.registry.downloads import cached_download
from aedetect.registry.pyfunc import DETECTOR
from aedetect.registry.records import CHAMPION, FINGERPRINT, Registered, as_registered
from aedetect.registry.session import is_absent, open_client
from aedetect.registry.sqlite_reader import ask_sqlite
from aedetect.secrets import mask

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_REFERENCE = re.compile(r"(?P<name>[^/@]+)(?:/(?P<version>[1-9]\d*)|@(?P<alias>[^/@]+))?")
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # the latter for an unknown alias
_SHOWN = 10  # versions or names in a message


def find_version(reference: str, *, tracking_uri: str) -> Registered:
    """Return the version that "NAME@alias", "NAME/3" or "NAME" (its champion) refers to."""
    parts = _REFERENCE.fullmatch(reference)
    if parts is None:
        raise UnknownModel(
            f'a model must be given as NAME, NAME@alias or NAME/3, got "{reference}"'
        )
    if is_absent(tracking_uri):
        raise UnknownModel(_unknown_message(reference, known=[]))
    version = _look_up(tracking_uri, **parts.groupdict())
    if version is None:
        raise UnknownModel(
            _unknown_message(reference, known=list_versions(tracking_uri=tracking_uri))
        )
    return version


def fetch_version(registered: Registered, *, tracking_uri: str) -> Path:
    """Return a local folder with the saved detector and all its calibrations.

    For a remote registry it is a cached copy; see `aedetect.registry.downloads`. Raises OutputError
    when the disk is full.
    """
    return saved_folder(*_place(registered, tracking_uri=tracking_uri), tracking_uri=tracking_uri)


def saved_folder(location: str, registered: Registered, *, tracking_uri: str) -> Path:
    """Return a local folder with the saved detector of a version whose artifacts are there."""
    if here := local_folder(location):
        folder = beside_database(here, name=registered.name, tracking_uri=tracking_uri)
    else:
        folder = _downloaded(location, registered, tracking_uri=tracking_uri)
    saved = folder / "artifacts" / DETECTOR
    if not (saved / "detector.json").is_file():
        place = folder if local_folder(location) else mask(location)
        raise RegistryError(
            f"{registered.reference} must hold a detector, but there is none in {place}: restore "
            "that folder, or run `aedetect train CONFIG` and then `aedetect promote CONFIG` with "
            "the number of the new version, which scores from then on"
        )
    return saved


def read_run_text(registered: Registered, name: str, *, tracking_uri: str) -> str | None:
    """Return the text of an artifact of the run of a version; None if there is none."""
    with open_client(tracking_uri) as client, temporary_folder() as folder:
        if name not in {each.path for each in client.list_artifacts(registered.run_id)}:
            return None
        path = client.download_artifacts(registered.run_id, name, str(folder))
        return Path(path).read_text(encoding="utf-8")


def list_versions(*, tracking_uri: str, name: str | None = None) -> list[Registered]:
    """Return the versions of one detector, or of all detectors, newest first."""
    if is_absent(tracking_uri):
        return []
    listed = ask_sqlite(tracking_uri, lambda reader: reader.detectors(name))
    if listed is None:
        listed = _listed_by_mlflow(name, tracking_uri=tracking_uri)
    return sorted(listed, key=lambda version: (version.created, version.version), reverse=True)


def _listed_by_mlflow(name: str | None, *, tracking_uri: str) -> list[Registered]:
    with open_client(tracking_uri) as client:
        found = [version for version in _search_all(client, name) if FINGERPRINT in version.tags]
        named = _aliases(client, names={version.name for version in found})
    return [as_registered(v, aliases=named.get((v.name, str(v.version)), [])) for v in found]


def _place(registered: Registered, *, tracking_uri: str) -> tuple[str, Registered]:
    """Return where the artifacts of a version are, and its current state."""
    name, version = registered.name, registered.version
    found = ask_sqlite(tracking_uri, lambda reader: reader.find(name, version=version, alias=""))
    if found and found.location:
        return found.location, found.registered
    with open_client(tracking_uri) as client:
        location = client.get_model_version_download_uri(name, str(version))
        now = as_registered(client.get_model_version(name, str(version)), aliases=())
    return location, now


def _look_up(
    tracking_uri: str, *, name: str, version: str | None, alias: str | None
) -> Registered | None:
    number, known_as = int(version) if version else None, alias or CHAMPION
    known = ask_sqlite(
        tracking_uri, lambda reader: reader.find(name, version=number, alias=known_as)
    )
    if known:
        return known.registered
    from mlflow.exceptions import MlflowException

    with open_client(tracking_uri) as client:
        try:
            if version:
                found = client.get_model_version(name, version)
            else:
                found = client.get_model_version_by_alias(name, alias or CHAMPION)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise
        return as_registered(found, aliases=found.aliases)


def _unknown_message(reference: str, *, known: list[Registered]) -> str:
    """Return the message for an unknown reference; it lists the versions, or else the names."""
    name = re.split("[/@]", reference)[0]
    same = [v for v in known if v.name == name]
    names = sorted({v.name for v in known})
    there = [" ".join((v.reference, *(f"@{alias}" for alias in v.aliases))) for v in same] or names
    listed = ", ".join(there[:_SHOWN]) + (", ..." if len(there) > _SHOWN else "")
    missing = f'a registered detector is needed, but there is no "{reference}"'
    if not known:
        return f"{missing}, and no other: run `aedetect train CONFIG` first, which registers one"
    return f"{missing}, only: {listed}; name another or run `aedetect train CONFIG`"


def _search_all(client: MlflowClient, name: str | None) -> Iterator[ModelVersion]:
    """Yield the versions of all pages; MLflow omits their aliases."""
    token: str | None = None
    while token != "":
        page = client.search_model_versions(f"name = '{name}'" if name else None, page_token=token)
        yield from page
        token = page.token or ""


def _aliases(client: MlflowClient, *, names: set[str]) -> dict[tuple[str, str], list[str]]:
    """Return the aliases by name and version, with one request per name."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        for alias, version in client.get_registered_model(name).aliases.items():
            found.setdefault((name, str(version)), []).append(alias)
    return found


def _downloaded(location: str, registered: Registered, *, tracking_uri: str) -> Path:
    """Return a local copy of an artifact location, downloaded if necessary."""

    def download(folder: Path) -> Path:
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(location, dst_path=str(folder), tracking_uri=tracking_uri))

    registry = urlsplit(tracking_uri)
    server = f"{registry.netloc.rpartition('@')[2]}{registry.path}"  # without a password
    key = (server, location, registered.reference, str(registered.calibration))
    with open_client(tracking_uri):  # its errors are ours
        return cached_download(key, download=download, marker=f"artifacts/{DETECTOR}/detector.json")
