"""Find the input files that are new, changed or deleted, by the footers of the output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aedetect.data import Source
from aedetect.data.listing import unseen_names
from aedetect.output import Origin
from aedetect.output.catalog import PartitionOrigins
from aedetect.scoring.plan import ZONE_INPUT
from aedetect.scoring.suppression import SUPPRESSION_INPUTS


@dataclass(frozen=True, kw_only=True)
class InputChanges:
    """Names of input files, compared with those in the footers of the output."""

    new: tuple[str, ...]  # not in the output; files without timestamps are never new
    changed: tuple[str, ...]  # in the output, with other content
    deleted: tuple[str, ...]


def find_input_changes(
    found: Source, fingerprints: Mapping[str, str], written: Iterable[Origin | None]
) -> InputChanges:
    """Compare the files found with the inputs of the output.

    Files without a fingerprint are unreadable or do not match the schema: they are neither new nor
    changed.
    """
    made_from: dict[str, set[str]] = {}
    for origin in written:
        for name, fingerprint in (origin.inputs if origin else {}).items():
            if name in (*SUPPRESSION_INPUTS, ZONE_INPUT):  # settings are not files
                continue
            made_from.setdefault(name, set()).add(fingerprint)
    dated = {file.name for file in found.files if file.times is not None}
    seen = {file.name for file in found.files}
    seen |= unseen_names(made_from, [each.name for each in found.quarantined])
    return InputChanges(
        new=tuple(name for name in fingerprints if name in dated and name not in made_from),
        changed=tuple(
            name
            for name, fingerprint in fingerprints.items()
            if made_from.get(name, set()) - {fingerprint}
        ),
        deleted=tuple(sorted(made_from.keys() - seen)),
    )


def is_first_run(version: int, written: Iterable[PartitionOrigins]) -> bool:
    """Whether no file of the output was made by a version of the model."""
    return all(
        origin.model_version != version for each in written for origin in each.kinds.values()
    )
