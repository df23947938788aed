"""A scoring run with another model or another output: `score --model` and `--to`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.scoring import Model


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The settings of a run, the overrides that they add, and the model if resolved."""

    settings: Config
    overrides: tuple[str, ...] = ()
    model: Model | None = None


def elsewhere(settings: Config, *, model: str | None, to: Path | None) -> Asked:
    """Return the settings with another model and another output.

    Raises ConfigError when the configured output would contain verdicts of another version.
    """
    from aedetect.errors import ConfigError
    from aedetect.jobs.scoring import resolve_model

    scoring = settings.scoring
    overrides: tuple[str, ...] = ()
    if to is not None:
        scoring = replace(scoring, output=str(to.resolve()))
        overrides += (f"scoring.output={json.dumps(scoring.output)}",)
    if model is not None:
        scoring = replace(scoring, model=model)
        overrides += (f"scoring.model={json.dumps(model)}",)
    changed = replace(settings, scoring=scoring)
    if model is None:
        return Asked(settings=changed, overrides=overrides)
    usual, other = resolve_model(settings), resolve_model(changed)
    names = [f"{each.name}/{each.version}" for each in (usual, other)]
    if settings.output == changed.output and names[0] != names[1]:
        raise ConfigError(
            f"{names[1]} needs a folder of its own, but the output is that of {names[0]}: "
            "give --to FOLDER"
        )
    return Asked(settings=changed, overrides=overrides, model=other)
