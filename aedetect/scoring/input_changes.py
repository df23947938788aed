"""Which input files are new, changed or gone since the output was made; the footers tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aedetect.data import Source
from aedetect.data.listing import unseen_names
from aedetect.output import Origin
from aedetect.scoring.suppression import SUPPRESSION_INPUTS


@dataclass(frozen=True, kw_only=True)
class InputChanges:
    """Names of input files, against those that stand in any footer of the output."""

    new: tuple[str, ...]  # nothing was made from them; files without a moment are never new
    changed: tuple[str, ...]  # something was made from them when their content was another
    deleted: tuple[str, ...]


def find_input_changes(
    found: Source, fingerprints: Mapping[str, str], written: Iterable[Origin | None]
) -> InputChanges:
    """Compare the files found with those that the output was made from.

    Files without a fingerprint could not be read or do not fit: they are neither new nor changed.
    """
    made_from: dict[str, set[str]] = {}
    for origin in written:
        for name, fingerprint in (origin.inputs if origin else {}).items():
            if name in SUPPRESSION_INPUTS:  # what keeps rows quiet is no file
                continue
            made_from.setdefault(name, set()).add(fingerprint)
    dated = {file.name for file in found.files if file.times is not None}
    seen = {file.name for file in found.files}
    seen |= unseen_names(made_from, [each.name for each in found.aside])
    return InputChanges(
        new=tuple(name for name in fingerprints if name in dated and name not in made_from),
        changed=tuple(
            name
            for name, fingerprint in fingerprints.items()
            if made_from.get(name, set()) - {fingerprint}
        ),
        deleted=tuple(sorted(made_from.keys() - seen)),
    )
