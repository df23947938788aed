"""The history of a detector: who promoted which version, when, why, and from which.

Each entry is a tag of the registered model with a key of its own, so that entries are added and
never rewritten, on any registry that MLflow has. The entry is written before the alias moves:
nothing takes effect without one. The alias follows the last entry, so that of two promotions at
the same time one is in effect and both are on record.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from aedetect.errors import RegistryError
from aedetect.registry.authors import code_version, who_acts
from aedetect.registry.records import CHAMPION

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

Action = Literal["first", "promoted", "automatic", "forced", "rollback"]

_PREFIX = "promotion."
_TURNS = 8  # promotions at the same time that one waits out
_FACTS = (
    "trained_from",
    "trained_until",
    "rows",
    "data_fingerprint",
    "config_hash",
    "code_version",
)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who makes a version the champion, when and why."""

    action: Action = "promoted"
    why: str = ""
    by: str = field(default_factory=who_acts)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """An entry of the history."""

    number: int  # from 1; equal for promotions at the same time
    at: datetime  # UTC
    by: str  # user and machine
    action: Action
    version: int  # that became the champion
    before: int | None  # the champion until then
    why: str
    trained: Mapping[str, str]  # data range, fingerprint and code version of its training
    code: str  # version of aedetect that promoted
    key: str = ""


def history_of(tags: Mapping[str, str]) -> list[Promotion]:
    """Return the entries among the tags of a registered model, the oldest first."""
    found = [key for key in tags if key.startswith(_PREFIX)]
    return [_entry(key, json.loads(tags[key])) for key in sorted(found)]


def champions_of(history: Sequence[Promotion], champion: int | None) -> list[int]:
    """Return the champions that rollbacks go back through, the present one last.

    A rollback takes back the promotions since the version that it returns to. A champion that was
    chosen without aedetect counts like a promoted one.

    >>> champions_of([], 2)
    [2]
    """
    line: list[int] = []
    for entry in history:
        if entry.action == "rollback" and entry.version in line:
            while line[-1] != entry.version:
                line.pop()
            continue
        for version in (entry.before, entry.version):
            if version is not None and line[-1:] != [version]:
                line.append(version)
    if champion is not None and line[-1:] != [champion]:
        line.append(champion)
    return line


def forced_promotion(history: Sequence[Promotion], version: int) -> Promotion | None:
    """Return how a version became the champion, if that was by force: not by a rollback to it."""
    made = [each for each in history if each.version == version and each.action != "rollback"]
    return made[-1] if made and made[-1].action == "forced" else None


def forced_before(history: Sequence[Promotion]) -> list[int]:
    """Return the champions by force that the last entry, a rollback, has passed over."""
    last = history[-1]
    line = champions_of(history[:-1], last.before)
    since = line[line.index(last.version) + 1 :] if last.version in line else []
    found = dict.fromkeys(since)
    return [each for each in found if each != last.before and forced_promotion(history, each)]


def record_promotion(
    client: MlflowClient, *, name: str, version: int, decision: Decision
) -> Promotion:
    """Add an entry, and make its version the champion; return the entry that is in effect."""
    model = client.get_registered_model(name)
    tags = client.get_model_version(name, str(version)).tags
    return add_promotion(client, model, tags, version=version, decision=decision)


def add_promotion(
    client: MlflowClient,
    model: RegisteredModel,
    tags: Mapping[str, str],
    *,
    version: int,
    decision: Decision,
) -> Promotion:
    """Do the same for a model that was just read, and a version by its tags."""
    before = model.aliases.get(CHAMPION)
    number = max((each.number for each in history_of(model.tags)), default=0) + 1
    entry = {
        **asdict(decision),
        "at": decision.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "version": version,
        "before": None if before is None else int(before),
        "trained": {key: tags[key] for key in _FACTS if key in tags},
        "code": code_version(),
    }
    # The random part keeps promotions at the same time from overwriting each other.
    key = f"{_PREFIX}{number:06d}.{secrets.token_hex(4)}"
    client.set_registered_model_tag(model.name, key, json.dumps(entry, sort_keys=True))
    return _follow(client, model.name)


def _follow(client: MlflowClient, name: str) -> Promotion:
    """Let the alias follow the last entry, also if another is added meanwhile."""
    last = history_of(client.get_registered_model(name).tags)[-1]
    for _ in range(_TURNS):
        client.set_registered_model_alias(name, CHAMPION, str(last.version))
        now = history_of(client.get_registered_model(name).tags)[-1]
        if now.key == last.key:
            return now
        last = now
    raise RegistryError(
        f"{name} must have one champion, but it was promoted {_TURNS} times meanwhile: "
        "`aedetect models CONFIG --history` shows by whom"
    )


def _entry(key: str, stored: Mapping[str, Any]) -> Promotion:
    return Promotion(
        number=int(key.removeprefix(_PREFIX).partition(".")[0]),
        at=datetime.fromisoformat(stored["at"]),
        by=stored["by"],
        action=stored["action"],
        version=int(stored["version"]),
        before=stored["before"],
        why=stored["why"],
        trained=stored["trained"],
        code=stored["code"],
        key=key,
    )
